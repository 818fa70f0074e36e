INSERT INTO assistant (assistant_id, graph_id, name)
SELECT md5(name)::uuid, lower(name), name FROM unnest('{Finance,Operations}'::text[]) AS name;
INSERT INTO assistant_versions (assistant_id, version, graph_id)
SELECT assistant_id, version, graph_id FROM assistant;

INSERT INTO thread (thread_id, status, metadata, created_at)
SELECT md5('thread' || n)::uuid, (ARRAY['idle', 'busy', 'interrupted', 'error'])[n % 4 + 1],
    jsonb_build_object(
        'graph_id', CASE WHEN n % 4 = 0 THEN 'payroll' ELSE 'order' END,
        'assistant_id', md5((ARRAY['Finance', 'Operations'])[n % 3 + 1])::uuid,
        'owner', (ARRAY['kate', 'paul'])[n % 2 + 1]),
    CASE WHEN n < 36 THEN timestamptz '2025-01-01 00:00+00' + n * interval '1 hour' END
FROM generate_series(1, 36) AS n;
INSERT INTO thread_ttl (thread_id, ttl_minutes) SELECT thread_id, 60 FROM thread;

INSERT INTO run (run_id, thread_id, assistant_id, created_at, status, kwargs)
SELECT md5(thread_id::text || run)::uuid, thread_id, coalesce((metadata ->> 'assistant_id')::uuid, md5('Finance')::uuid),
    created_at, 'success', '{"input": {"messages": []}}'
FROM thread, generate_series(1, 2) AS run;
INSERT INTO feedback (run_id, thread_id, human_message, ai_message, rating)
SELECT run_id, thread_id, 'a question', 'an answer', 'thumbs_up' FROM run;

INSERT INTO checkpoints (thread_id, checkpoint_id, run_id, checkpoint, metadata)
SELECT thread_id, md5(run_id::text || step)::uuid, run_id,
    '{"v": 4, "ts": "2025-01-01T00:00:00+00:00"}', jsonb_build_object('step', step)
FROM run, generate_series(1, 2) AS step;
INSERT INTO checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, type, blob)
SELECT thread_id, checkpoint_id, gen_random_uuid(), 0, 'messages', 'msgpack', 'abc'
FROM checkpoints;
INSERT INTO checkpoint_blobs (thread_id, channel, version, type, blob)
SELECT thread_id, 'messages', version::text, 'msgpack', repeat('x', 100 * version)::bytea
FROM thread, generate_series(1, 3) AS version;
