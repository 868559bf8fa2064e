-- The names behind Identity Center's user ids, which logs give as onBehalfOf.userId.
-- grain:  user_id
-- reads:  lake.user_directory
-- units:  updated_at UTC
select
    user_id,
    arg_max(user_name, updated_at) filter (where user_name is not null) as user_name,
    arg_max(display_name, updated_at) filter (where display_name is not null) as display_name,
    arg_max(email, updated_at) filter (where email is not null) as email,
    max(updated_at) as updated_at
from lake.user_directory
group by user_id
