-- Names of Identity Center's users.
-- grain:  user_id
-- reads:  user_directory
select
    user_id,
    coalesce(user_name, display_name, email) as name
from user_directory
where coalesce(user_name, display_name, email) is not null
