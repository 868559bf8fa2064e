-- Console sign-ins of the span in one row.
-- grain:  one row
-- reads:  logins
-- units:  all counts of sign-ins
-- params: since, until (UTC, half-open)
select
    count(*) as sign_ins,
    count(*) filter (where succeeded) as successes,
    count(*) filter (where not succeeded) as failures,
    count(*) filter (where user_name_hidden) as hidden_names,
    count(*) filter (where without_mfa) as without_mfa,
    count(*) filter (where succeeded and principal_type = 'root') as root
from logins
where event_date >= $since_date
  and event_date <= $until_date
  and event_time >= $since
  and event_time < $until
