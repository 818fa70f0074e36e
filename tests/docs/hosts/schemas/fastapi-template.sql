-- A FastAPI template with sessions and messages, beside the tables of its saver. Times have no zone.
CREATE TABLE "user" (
    id serial PRIMARY KEY, created_at timestamp NOT NULL, email varchar NOT NULL UNIQUE,
    hashed_password varchar NOT NULL);
CREATE TABLE session (
    id varchar PRIMARY KEY, created_at timestamp NOT NULL,
    user_id integer NOT NULL REFERENCES "user", name varchar NOT NULL);
CREATE TABLE message (
    id serial PRIMARY KEY, created_at timestamp NOT NULL,
    session_id varchar NOT NULL REFERENCES session, role varchar(50) NOT NULL,
    content varchar NOT NULL);
