-- OpenGPTs after its fifth migration, beside the tables of its saver.
CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
CREATE TABLE "user" (
    user_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), sub varchar(255) NOT NULL UNIQUE,
    created_at timestamptz DEFAULT now());
CREATE TABLE assistant (
    assistant_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES "user", name varchar(255) NOT NULL, config json NOT NULL,
    updated_at timestamptz DEFAULT now(), public boolean NOT NULL);
CREATE TABLE thread (
    thread_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    assistant_id uuid REFERENCES assistant ON DELETE SET NULL,
    user_id uuid NOT NULL REFERENCES "user", name varchar(255) NOT NULL,
    updated_at timestamptz DEFAULT now(), metadata jsonb);
CREATE TABLE old_checkpoints (
    thread_id text NOT NULL, checkpoint bytea, thread_ts timestamptz, parent_ts timestamptz,
    PRIMARY KEY (thread_id, thread_ts));
