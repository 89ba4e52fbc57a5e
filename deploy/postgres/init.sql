-- Runs once, when the volume is empty: a role and a database each, and no role can enter another's.
\getenv password POSTGRES_PASSWORD

SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', name, :'password')
FROM unnest(ARRAY[
    'temporal', 'read_model', 'orders', 'payments', 'inventory', 'shipping', 'notifications',
    'order_copy'
]) AS name
\gexec

SELECT format('CREATE DATABASE %I OWNER %I', name, owner)
FROM (VALUES
    ('temporal', 'temporal'),
    ('temporal_visibility', 'temporal'),
    ('read_model', 'read_model'),
    ('orders', 'orders'),
    ('payments', 'payments'),
    ('inventory', 'inventory'),
    ('shipping', 'shipping'),
    ('notifications', 'notifications'),
    ('order_copy', 'order_copy')
) AS wanted (name, owner)
\gexec

SELECT format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', datname)
FROM pg_database
WHERE datname NOT IN ('postgres', 'template0', 'template1')
\gexec
