INSERT INTO "user" (user_id, sub)
SELECT md5(name)::uuid, name FROM unnest('{ada,kate,paul}'::text[]) AS name;
INSERT INTO assistant (assistant_id, user_id, name, config, public)
SELECT md5(name)::uuid, md5('ada')::uuid, name, '{}', true
FROM unnest('{Finance,Operations}'::text[]) AS name;

INSERT INTO thread (thread_id, assistant_id, user_id, name, updated_at, metadata)
SELECT md5('thread' || n)::uuid, md5((ARRAY['Finance', 'Operations'])[n % 3 + 1])::uuid,
    md5((ARRAY['kate', 'paul'])[n % 2 + 1])::uuid,
    CASE WHEN n % 4 = 0 THEN 'Payroll ' ELSE 'Order ' END || n,
    CASE WHEN n < 36 THEN timestamptz '2025-01-01 00:00+00' + n * interval '1 hour' END, '{}'
FROM generate_series(1, 36) AS n;

INSERT INTO old_checkpoints
SELECT thread_id, 'abc', timestamptz '2024-01-01' + n * interval '1 hour'
FROM thread, generate_series(1, 2) AS n;
