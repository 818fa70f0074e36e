INSERT INTO users
    (id, email, password_hash, system_role, created_at, needs_setup, token_version)
SELECT md5(name)::uuid::text, name, '$dfv2$a hash of their own',
    CASE WHEN name = 'ada' THEN 'admin' ELSE 'user' END, now(), false, 0
FROM unnest('{ada,kate,paul}'::text[]) AS name;

INSERT INTO threads_meta
    (thread_id, assistant_id, user_id, display_name, status, metadata_json, created_at, updated_at)
SELECT md5('thread' || n)::uuid::text, 'lead_agent',
    md5((ARRAY['kate', 'paul'])[n % 2 + 1])::uuid::text,
    CASE WHEN n % 4 = 0 THEN 'Payroll ' ELSE 'Order ' END || n,
    (ARRAY['idle', 'running', 'interrupted', 'error'])[n % 4 + 1], '{}',
    timestamptz '2025-01-01 00:00+00' + n * interval '1 hour', now()
FROM generate_series(1, 36) AS n;

INSERT INTO runs
SELECT md5(thread_id || run), thread_id, assistant_id, user_id, 'success', 'model', 'reject', '{}',
    '{}', NULL, 2, 'a question', 'an answer', 1, 1, 2, 1, 2, 0, 0, '{}', NULL, created_at, now()
FROM threads_meta, generate_series(1, 2) AS run;
INSERT INTO run_events
    (thread_id, run_id, user_id, event_type, category, content, event_metadata, seq, created_at)
SELECT thread_id, min(run_id), min(user_id), 'ai_message', 'message', 'an answer', '{}', seq, now()
FROM runs, generate_series(1, 5) AS seq GROUP BY thread_id, seq;
INSERT INTO feedback (feedback_id, run_id, thread_id, user_id, rating, created_at)
SELECT md5('feedback' || run_id), run_id, thread_id, user_id, 1, now() FROM runs;

INSERT INTO channel_connections VALUES ('chat', 'kate', 'slack', 'connected', '', now(), now());
INSERT INTO channel_credentials VALUES ('chat', NULL, 1, now());
INSERT INTO channel_conversations
SELECT md5('channel' || thread_id), 'chat', user_id, 'slack', thread_id, '', thread_id, now(), now()
FROM threads_meta;
