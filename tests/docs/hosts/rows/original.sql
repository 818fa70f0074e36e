INSERT INTO users (id, username, password_hash, is_admin)
SELECT md5(name)::uuid, name, NULL, name = 'ada' FROM unnest('{ada,kate,paul}'::text[]) AS name;
INSERT INTO workspaces SELECT md5(name)::uuid, name FROM unnest('{Finance,Operations}'::text[]) AS name;

INSERT INTO run_metadata
    (thread_id, run_name, status, created_at, user_id, workspace_id, error_message,
     parent_thread_id, llm_model, initial_data, metadata)
SELECT 'th_' || lpad(n::text, 2, '0'), CASE WHEN n % 4 = 0 THEN 'Payroll ' ELSE 'Order ' END || n,
    (ARRAY['completed', 'failed', 'completed', 'running'])[n % 4 + 1],
    CASE WHEN n < 36 THEN timestamptz '2025-01-01 00:00+00' + n * interval '1 hour' END,
    md5((ARRAY['kate', 'paul'])[n % 2 + 1])::uuid,
    md5((ARRAY['Finance', 'Operations'])[n % 3 + 1])::uuid,
    CASE WHEN n % 4 = 1 THEN 'TimeoutError' END, CASE WHEN n % 9 = 0 THEN 'th_01' END,
    'model', '{"a": 1}', '{"b": 2}'
FROM generate_series(1, 36) AS n;

INSERT INTO thread_logs (thread_id, level, message, created_at)
SELECT thread_id, 'INFO', 'line ' || line, now()
FROM run_metadata, generate_series(1, 3) AS line;
