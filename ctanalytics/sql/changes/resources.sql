-- Resources that a text names by ARN, id or name, each as its newest item calls it.
-- grain:  account_id, aws_region, resource_type, resource_id
-- reads:  lake.config_items
-- params: text, account_id, aws_region, resource_type (null: any)
-- units:  items: how many states the lake has; related_events: ids that Config names
with meant as (
    select distinct
        account_id,
        aws_region,
        resource_type,
        resource_id
    from lake.config_items
    where (resource_id = $text or resource_name = $text or arn = $text)
      and ($account_id is null or account_id = $account_id)
      and ($aws_region is null or aws_region = $aws_region)
      and ($resource_type is null or resource_type = $resource_type)
)
select
    items.account_id,
    items.aws_region,
    items.resource_type,
    items.resource_id,
    arg_max(items.resource_name, items.capture_time) as resource_name,
    arg_max(items.arn, items.capture_time) as arn,
    count(*) as items,
    list_distinct(flatten(list(items.related_events))) as related_events
from lake.config_items as items
inner join meant
    on meant.account_id is not distinct from items.account_id
   and meant.aws_region is not distinct from items.aws_region
   and meant.resource_type = items.resource_type
   and meant.resource_id = items.resource_id
group by items.account_id, items.aws_region, items.resource_type, items.resource_id
order by items.account_id, items.aws_region, items.resource_type, items.resource_id
