INSERT INTO assistant (assistant_id, name, graph_id, user_id)
SELECT md5(name)::uuid::text, name, lower(name), 'system'
FROM unnest('{Finance,Operations}'::text[]) AS name;
INSERT INTO assistant_versions (assistant_id, version, graph_id)
SELECT assistant_id, version, graph_id FROM assistant;

INSERT INTO thread (thread_id, status, metadata_json, user_id, created_at)
SELECT md5('thread' || n)::uuid::text, (ARRAY['idle', 'busy', 'interrupted', 'error'])[n % 4 + 1],
    jsonb_build_object(
        'thread_name', CASE WHEN n % 4 = 0 THEN 'Payroll ' ELSE 'Order ' END || n,
        'graph_id', lower((ARRAY['Finance', 'Operations'])[n % 3 + 1]),
        'assistant_id', md5((ARRAY['Finance', 'Operations'])[n % 3 + 1])::uuid),
    (ARRAY['kate', 'paul'])[n % 2 + 1], timestamptz '2025-01-01 00:00+00' + n * interval '1 hour'
FROM generate_series(1, 36) AS n;

INSERT INTO runs (thread_id, assistant_id, status, error_message, user_id, created_at)
SELECT thread_id, metadata_json ->> 'assistant_id', 'success', NULL, user_id, created_at
FROM thread, generate_series(1, 3) AS run;
INSERT INTO store (prefix, key, value) VALUES ('memories', 'kate', '{"likes": "tea"}');
