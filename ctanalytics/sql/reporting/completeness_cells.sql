-- Hours of each account and region by their state.
-- grain:  account_id, aws_region
-- reads:  completeness
-- units:  hours by state: counts; found: rows in all
-- params: since, until (UTC, half-open), top (rows)
select
    account_id,
    aws_region,
    count(*) filter (where state = 'complete') as complete,
    count(*) filter (where state = 'quiet') as quiet,
    count(*) filter (where state = 'unproved') as unproved,
    count(*) filter (where state = 'incomplete') as incomplete,
    count(*) filter (where state = 'stopped') as stopped,
    count(*) filter (where state = 'unknown') as unknown,
    cast(sum(files_promised - files_held) as bigint) as files_not_held,
    cast(sum(files_altered) as bigint) as files_altered,
    cast(sum(files_unlisted) as bigint) as files_unlisted,
    cast(sum(late_files) as bigint) as late_files,
    count(*) over () as found
from completeness
where hour >= $since
  and hour < $until
group by account_id, aws_region
order by
    count(*) filter (where state in ('incomplete', 'stopped')) desc,
    account_id,
    aws_region
limit $top
