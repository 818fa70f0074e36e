SELECT thread_id, display_name, status, threads_meta.created_at, email, assistant_id, NULL
FROM threads_meta LEFT JOIN users ON users.id = user_id
