SELECT thread_id::text, thread.metadata ->> 'graph_id', status, thread.created_at,
    thread.metadata ->> 'owner', assistant_id::text, name
FROM thread LEFT JOIN assistant ON assistant_id::text = thread.metadata ->> 'assistant_id'
