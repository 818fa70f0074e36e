-- What the saver keeps of the threads {ids}: two checkpoints each with two writes, and three blobs.
INSERT INTO checkpoints (thread_id, checkpoint_id, type, checkpoint, metadata)
SELECT id, 'c' || step, 'json',
    jsonb_build_object('v', 4, 'ts', to_char(
        timestamp '2025-01-01' + (n * 60 + step) * interval '1 minute',
        'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')),
    jsonb_build_object('step', step, 'source', 'loop',
        'user_id', (ARRAY['kate', 'paul'])[n % 2 + 1],
        'run_name', (ARRAY['Order', 'Payroll'])[(n % 4 = 0)::integer + 1] || ' ' || n)
FROM unnest({ids}::text[]) WITH ORDINALITY AS threads (id, n), generate_series(1, 2) AS step;

INSERT INTO checkpoint_writes
    (thread_id, checkpoint_id, task_id, idx, channel, type, blob)
SELECT id, 'c' || step, 'task', idx, 'messages', 'msgpack', 'abc'
FROM unnest({ids}::text[]) AS id, generate_series(1, 2) AS step, generate_series(0, 1) AS idx;

INSERT INTO checkpoint_blobs (thread_id, channel, version, type, blob)
SELECT id, 'messages', version::text, 'msgpack', repeat('x', 100 * version)::bytea
FROM unnest({ids}::text[]) AS id, generate_series(1, 3) AS version;
