SELECT threads.id::text, name, NULL, threads."createdAt"::timestamptz, identifier, NULL, NULL
FROM threads LEFT JOIN users ON users.id = "userId"
