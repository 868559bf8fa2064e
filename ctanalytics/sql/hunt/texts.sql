-- Every key, program, caller and resource that calls name; one row each, by kind.
-- grain:  kind, value
-- reads:  events
-- units:  kind: key, user_agent, arn, account
with named as (
    select
        access_key_id,
        user_agent,
        identity_arn,
        principal_arn,
        session_issuer_arn,
        identity_account_id,
        resource_arns
    from events
)
select distinct
    'key' as kind,
    access_key_id as value
from named
where access_key_id is not null
  and $keys
union all
select distinct
    'user_agent' as kind,
    user_agent as value
from named
where user_agent is not null
  and $user_agents
union all
select distinct
    'account' as kind,
    identity_account_id as value
from named
where identity_account_id is not null
  and $accounts
