-- Who stands behind each call: the head of the chain of credentials, as far as logs prove it, else
-- what the call itself tells. Like credential_events it reaches two days further back than --since.
-- grain:  account_id, event_id
-- reads:  credential_events, role_chains
-- units:  event_time UTC; human, human_from: root_principal, root_from as in credential_events, of
-- the chain's head where that says more; null: nothing tells
select
    credential_events.event_date,
    credential_events.event_time,
    credential_events.account_id,
    credential_events.event_id,
    credential_events.session_id,
    -- A service or a foreign account at the head says less than what the call itself bears.
    case
        when role_chains.root_principal is null then credential_events.root_principal
        when role_chains.root_from in ('service', 'account')
         and credential_events.root_principal is not null then credential_events.root_principal
        else role_chains.root_principal
    end as human,
    case
        when role_chains.root_principal is null then credential_events.root_from
        when role_chains.root_from in ('service', 'account')
         and credential_events.root_principal is not null then credential_events.root_from
        else role_chains.root_from
    end as human_from
from credential_events
left join role_chains
    on role_chains.session_id = credential_events.session_id
