-- Only those whom the table of people names have a name.
SELECT thread_id, min(metadata ->> 'run_name'), NULL, min((checkpoint ->> 'ts')::timestamptz),
    nullif(min(metadata ->> 'user_id'), 'paul'), NULL, NULL
FROM checkpoints GROUP BY thread_id
