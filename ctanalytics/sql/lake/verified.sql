-- A condition on the rows of a table: their log file was validated, and it is what was ingested.
-- grain:  a boolean for each row with source_object and plan_id
-- reads:  lake.log_files, lake.file_verdicts
(source_object, plan_id) in (
    select
        held.bucket || '/' || held.key,
        held.plan_id
    from lake.log_files as held
    join (
        select
            bucket,
            key,
            verdict,
            sha256
        from lake.file_verdicts
        where kind = 'log'
        qualify row_number() over (partition by bucket, key order by validated_at desc, verdict) = 1
    ) as checked
        on checked.bucket = held.bucket
        and checked.key = held.key
    where checked.verdict = 'valid'
      and checked.sha256 = held.sha256
)
