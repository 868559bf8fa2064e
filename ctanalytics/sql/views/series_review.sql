-- Series whose day is worth a look, and how sure that is: what pages, and what comes close.
-- grain:  event_date, kind, account_id, aws_region, event_source, event_name, error_code, principal_arn
-- reads:  lake.series_review, account_directory
-- units:  kind: writes, reads, errors, data or network, with _by_principal where callers are counted by
-- themselves; calls: the most in a window of window_minutes; p_value of the day, over all windows;
-- q_value: the share of false entries among those of the day and kind up to this one (Benjamini and
-- Hochberg), at most 0.1; pages: whether it is an anomaly as well
select
    series_review.event_date,
    series_review.kind,
    series_review.account_id,
    series_review.aws_region,
    series_review.event_source,
    series_review.event_name,
    series_review.error_code,
    series_review.principal_arn,
    series_review.window_minutes,
    series_review.calls,
    series_review.p_value,
    series_review.q_value,
    series_review.pages,
    account_directory.account_name,
    account_directory.environment
from lake.series_review
left join account_directory
    on account_directory.account_id = series_review.account_id
