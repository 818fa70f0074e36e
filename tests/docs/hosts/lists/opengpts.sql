SELECT thread_id::text, thread.name, NULL, thread.updated_at, sub, assistant_id::text,
    assistant.name
FROM thread LEFT JOIN "user" USING (user_id) LEFT JOIN assistant USING (assistant_id)
