SELECT thread_id, run_name, status, created_at, username, workspace_id::text, name
FROM run_metadata
LEFT JOIN users ON users.id = user_id
LEFT JOIN workspaces ON workspaces.id = workspace_id
