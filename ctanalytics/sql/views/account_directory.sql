-- What is known of each account besides its logs: from Organizations or from a file.
-- A column keeps its newest value that is not empty, so that a file may add what AWS can't tell.
-- grain:  account_id
-- reads:  lake.account_directory
-- units:  ou_path: names from the root down, parted by /; tags: JSON text; updated_at UTC
select
    account_id,
    arg_max(name, updated_at) filter (where name is not null) as account_name,
    arg_max(email, updated_at) filter (where email is not null) as email,
    arg_max(status, updated_at) filter (where status is not null) as status,
    arg_max(ou, updated_at) filter (where ou is not null) as ou,
    arg_max(ou_path, updated_at) filter (where ou_path is not null) as ou_path,
    arg_max(environment, updated_at) filter (where environment is not null) as environment,
    arg_max(owner, updated_at) filter (where owner is not null) as owner,
    arg_max(tags, updated_at) filter (where tags is not null) as tags,
    max(updated_at) as updated_at
from lake.account_directory
group by account_id
