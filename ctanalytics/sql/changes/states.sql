-- Some items of AWS Config, with all that can differ between two of them.
-- grain:  item_id
-- reads:  lake.config_items
-- params: item_ids
select
    item_id,
    status,
    tags,
    relationships,
    configuration,
    supplementary_configuration
from lake.config_items
where item_id in (select unnest($item_ids))
