-- What AWS charges for what this lake's logs tell of: list prices, for estimates and never for a bill.
-- grain:  item
-- reads:  nothing
-- units:  usd: dollars for so many (per) of the item; as_of: when the price was looked up
select
    item,
    cast(usd as double) as usd,
    per,
    cast(as_of as date) as as_of,
    source
from (
    values
        (
            'management event, additional copy',
            2.00,
            100000,
            '2026-11-24',
            'aws.amazon.com/cloudtrail/pricing: additional copies of management events'
        ),
        (
            'insights, management event analysed',
            0.35,
            100000,
            '2026-11-28',
            'as third parties quote aws.amazon.com/cloudtrail/pricing, per event and insight type'
        )
) as listed(item, usd, per, as_of, source)
