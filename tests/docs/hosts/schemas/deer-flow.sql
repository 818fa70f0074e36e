-- deer-flow v2.0.0, beside the tables of its saver. Only the channels have foreign keys.
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
CREATE TABLE users (
    id varchar(36) PRIMARY KEY, email varchar(320) NOT NULL UNIQUE, password_hash varchar(128),
    system_role varchar(16) NOT NULL, created_at timestamptz NOT NULL, oauth_provider varchar(32),
    oauth_id varchar(128), needs_setup boolean NOT NULL, token_version integer NOT NULL);
CREATE TABLE threads_meta (
    thread_id varchar(64) PRIMARY KEY, assistant_id varchar(128), user_id varchar(64),
    display_name varchar(256), status varchar(20) NOT NULL, metadata_json json NOT NULL,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
CREATE INDEX ON threads_meta (user_id);
CREATE INDEX ON threads_meta (assistant_id);
CREATE TABLE runs (
    run_id varchar(64) PRIMARY KEY, thread_id varchar(64) NOT NULL, assistant_id varchar(128),
    user_id varchar(64), status varchar(20) NOT NULL, model_name varchar(128),
    multitask_strategy varchar(20) NOT NULL, metadata_json json NOT NULL,
    kwargs_json json NOT NULL, error text, message_count integer NOT NULL,
    first_human_message text, last_ai_message text, total_input_tokens integer NOT NULL,
    total_output_tokens integer NOT NULL, total_tokens integer NOT NULL,
    llm_call_count integer NOT NULL, lead_agent_tokens integer NOT NULL,
    subagent_tokens integer NOT NULL, middleware_tokens integer NOT NULL,
    token_usage_by_model json NOT NULL DEFAULT '{}', follow_up_to_run_id varchar(64),
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
CREATE INDEX ON runs (thread_id, status);
CREATE TABLE run_events (
    id serial PRIMARY KEY, thread_id varchar(64) NOT NULL, run_id varchar(64) NOT NULL,
    user_id varchar(64), event_type varchar(32) NOT NULL, category varchar(16) NOT NULL,
    content text NOT NULL, event_metadata json NOT NULL, seq integer NOT NULL,
    created_at timestamptz NOT NULL, UNIQUE (thread_id, seq));
CREATE TABLE feedback (
    feedback_id varchar(64) PRIMARY KEY, run_id varchar(64) NOT NULL,
    thread_id varchar(64) NOT NULL, user_id varchar(64), message_id varchar(64),
    rating integer NOT NULL, comment text, created_at timestamptz NOT NULL,
    UNIQUE (thread_id, run_id, user_id));
CREATE INDEX ON feedback (thread_id);
CREATE TABLE channel_connections (
    id varchar(64) PRIMARY KEY, owner_user_id varchar(64) NOT NULL, provider varchar(32) NOT NULL,
    status varchar(32) NOT NULL, workspace_id varchar(128) NOT NULL,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
CREATE TABLE channel_credentials (
    connection_id varchar(64) PRIMARY KEY REFERENCES channel_connections ON DELETE CASCADE,
    encrypted_access_token text, version integer NOT NULL, updated_at timestamptz NOT NULL);
CREATE TABLE channel_conversations (
    id varchar(64) PRIMARY KEY,
    connection_id varchar(64) NOT NULL REFERENCES channel_connections ON DELETE CASCADE,
    owner_user_id varchar(64) NOT NULL, provider varchar(32) NOT NULL,
    external_conversation_id varchar(128) NOT NULL, external_topic_id varchar(128) NOT NULL,
    thread_id varchar(64) NOT NULL, created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (connection_id, external_conversation_id, external_topic_id));
CREATE INDEX ON channel_conversations (thread_id);
