-- The organizational unit of each account, where it is known.
-- grain:  account_id
-- reads:  account_directory
select
    account_id,
    ou,
    ou_path
from account_directory
order by account_id
