SELECT session.id, name, NULL, session.created_at AT TIME ZONE 'UTC', email, NULL, NULL
FROM session LEFT JOIN "user" ON "user".id = user_id
