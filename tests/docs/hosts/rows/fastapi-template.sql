INSERT INTO "user" (created_at, email, hashed_password)
SELECT now(), name, '$2b$04$1uaRF76K4NvLgJiyPjjZo.uP5BxCzaf35xASQbmujxPxFmE4PTqv2'
FROM unnest('{ada,kate,paul}'::text[]) AS name;

INSERT INTO session (id, created_at, user_id, name)
SELECT md5('session' || n)::uuid, timestamp '2025-01-01' + n * interval '1 hour',
    (SELECT id FROM "user" WHERE email = (ARRAY['kate', 'paul'])[n % 2 + 1]),
    CASE WHEN n % 4 = 0 THEN 'Payroll ' ELSE 'Order ' END || n
FROM generate_series(1, 36) AS n;

INSERT INTO message (created_at, session_id, role, content)
SELECT created_at, id, role, 'some words' FROM session, unnest('{user,assistant}'::text[]) AS role;
