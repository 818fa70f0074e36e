-- The application that Run Manager was made for.
CREATE TABLE users (
    id uuid PRIMARY KEY, username text UNIQUE, password_hash text,
    is_admin boolean NOT NULL DEFAULT false, is_active boolean NOT NULL DEFAULT true);
CREATE TABLE workspaces (id uuid PRIMARY KEY, name text);
CREATE TABLE run_metadata (
    thread_id text PRIMARY KEY, run_name text, status text, created_at timestamptz,
    user_id uuid REFERENCES users, workspace_id uuid REFERENCES workspaces,
    completed_at timestamptz, error_message text, parent_thread_id text, llm_model text, sop text,
    initial_data jsonb, metadata jsonb);
CREATE INDEX ON run_metadata (created_at DESC);
CREATE INDEX ON run_metadata (user_id);
CREATE TABLE thread_logs (
    id bigserial PRIMARY KEY, thread_id text NOT NULL, level text, message text,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON thread_logs (thread_id);
