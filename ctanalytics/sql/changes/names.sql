-- Names of resources that may be meant by a text that names none: what begins alike.
-- grain:  name
-- reads:  lake.config_items
-- params: text, most
select distinct
    names.name
from (
    select
        unnest([resource_id, resource_name]) as name
    from lake.config_items
) as names
where left(lower(names.name), 2) = left(lower($text), 2)
order by names.name
limit $most
