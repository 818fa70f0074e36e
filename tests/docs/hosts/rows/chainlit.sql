INSERT INTO users (id, identifier, metadata, "createdAt")
SELECT md5(name)::uuid, name, '{}', '2025-01-01T00:00:00.000000Z'
FROM unnest('{ada,kate,paul}'::text[]) AS name;

INSERT INTO threads (id, "createdAt", name, "userId", "userIdentifier", metadata)
SELECT md5('thread' || n)::uuid,
    CASE WHEN n < 36 THEN to_char(timestamp '2025-01-01' + n * interval '1 hour 1.234567 seconds',
        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END,
    CASE WHEN n % 4 = 0 THEN 'Payroll ' ELSE 'Order ' END || n, md5(name)::uuid, name, '{}'
FROM generate_series(1, 36) AS n, LATERAL (SELECT (ARRAY['kate', 'paul'])[n % 2 + 1]) AS one (name);

INSERT INTO steps (id, name, type, "threadId", streaming, output, "createdAt")
SELECT md5(id::text || step)::uuid, 'on_message', 'run', id, false, 'an answer', "createdAt"
FROM threads, generate_series(1, 3) AS step;
INSERT INTO elements (id, "threadId", type, name, "forId")
SELECT md5('element' || id)::uuid, "threadId", 'file', 'notes.txt', id FROM steps;
INSERT INTO feedbacks (id, "forId", "threadId", value)
SELECT md5('feedback' || min(id::text))::uuid, min(id::text)::uuid, "threadId", 1
FROM steps GROUP BY "threadId";
