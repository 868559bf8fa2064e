-- Incidents whose id begins with a text, in their newest revision; at most two.
-- grain:  incident_id
-- reads:  incidents
-- units:  as in incidents
-- params: id (at least the beginning)
select
    incidents.*
from incidents
where starts_with(incident_id, $id)
order by opened_at desc, incident_id
limit 2
