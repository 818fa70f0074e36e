r"""The file of one batch's rows: a script that PostgreSQL's own ``psql`` puts back.

The format, number 1, of ``NNNNNN.sql.zst``. It is zstd frames one after another, each with its
checksum, which ``zstd -dc`` gives as one text; its bytes are UTF-8, its lines end in ``\n``:

1. The **head**, one frame. Its first line is a comment for people, its second ``-- `` and the
   header: one line of JSON in ASCII (``RowsHeader.to_json``). Then ``SET`` lines (``SETTINGS``,
   client_encoding, statement_timeout, search_path); and ``SET CONSTRAINTS ALL DEFERRED;`` where
   tables refer to each other in a circle. There is no BEGIN and no COMMIT.
2. **One frame a table**, in the order of the header's ``tables``, parents before children; tables
   without a row are left out of both::

       COPY "schema"."table" ("thread_id", "other") FROM stdin;
       one line a row, as COPY's text form has it
       \.

   and an empty line. Every stored column is there but generated ones, which the database computes
   again. Where ``run_column`` is 0 the first column is the id of the row's run, printed as COPY
   prints it (escaped); lines of several runs may be mixed. Where it is null no column is: the
   lines come run by run, in the order of ``rows``, which says how many each run has. The sum of
   ``rows`` is the number of lines. A table with ``whole`` false lacks columns that the role could
   not read.
3. The **references**, one frame, only where ``references`` is not 0: for each row that stayed and
   whose reference to a row that went the database cleared, a line of JSON in a comment, then one
   line that puts it back where it is still empty::

       -- {"table": "invoices", "schema": "public", "relation": "invoices", "constraint": "…",
           "run": "th-1", "key": {"id": "7"}, "set": {"thread_id": "th-1"},
           "types": {"id": "integer", "thread_id": "text"}}        (in one line)
       UPDATE "public"."invoices" SET "thread_id" = 'th-1' WHERE "id" = '7' AND "thread_id" IS NULL;

   ``key`` and ``set`` are printed values by column, ``types`` the types of both, ``run`` the run
   that was referred to, ``table`` how the table is shown. With several columns each may be NULL or
   what it was, and one at least is NULL.

A row can refer, or have referred, to one of a batch before or after. So the files of an operation
are put back **from the last to the first**: what a later batch took was still there when an earlier
one went, and a reference that an earlier one cleared may be in a row that a later one took.
"""
