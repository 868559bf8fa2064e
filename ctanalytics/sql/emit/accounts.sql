-- What is known of each account, for messages and routes.
-- grain:  account_id
-- reads:  account_directory
select
    account_id,
    account_name,
    ou,
    ou_path,
    environment
from account_directory
