SELECT thread_id, metadata_json ->> 'thread_name', status, thread.created_at, thread.user_id,
    assistant_id, name
FROM thread LEFT JOIN assistant ON assistant_id = metadata_json ->> 'assistant_id'
