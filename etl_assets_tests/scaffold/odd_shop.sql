-- A schema as a web framework and its years make it: what nobody would design, and everybody has.
CREATE EXTENSION IF NOT EXISTS vector;  -- a type that the platform does not know
CREATE TABLE schema_migrations (version varchar NOT NULL PRIMARY KEY);
CREATE TABLE ar_internal_metadata (
    key varchar NOT NULL PRIMARY KEY, value varchar,
    created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL
);
CREATE TYPE order_status AS ENUM ('cart', 'paid', 'it''s sent', 'back "home"');
CREATE DOMAIN positive AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE DOMAIN short_code AS varchar(8) NOT NULL CHECK (VALUE ~ '^[A-Z]');
CREATE TYPE point_of_sale AS (shop int, till int);

CREATE TABLE users (
    id bigserial PRIMARY KEY,
    email varchar NOT NULL DEFAULT '' UNIQUE,
    encrypted_password varchar NOT NULL DEFAULT '',
    first_name varchar, last_name varchar, phone varchar, sign_in_count int NOT NULL DEFAULT 0,
    current_sign_in_ip inet, locale char(5) NOT NULL DEFAULT 'en', settings jsonb NOT NULL DEFAULT '{}',
    lock_version int NOT NULL DEFAULT 0,
    created_at timestamp(6) NOT NULL, updated_at timestamp(6) NOT NULL
);
INSERT INTO users (email, first_name, last_name, phone, current_sign_in_ip, created_at, updated_at)
SELECT format('u%s@example.org', n), 'Ann', 'O''Hara ' || n, '+49 30 1234' || n, '10.0.0.1',
       timestamp '2024-01-01' + n * interval '1 hour', timestamp '2024-02-01' + n * interval '1 hour'
FROM generate_series(1, 300) AS n;

CREATE TABLE orders (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id bigint REFERENCES users, status order_status NOT NULL,
    total positive NOT NULL, discount numeric, weight real, ratio double precision, paid money,
    tags text[] NOT NULL DEFAULT '{}', spans int4range, lasted interval, took interval day to second,
    placed_on date, ready_at timestamptz, opens time, opens_there timetz, doc json, blob bytea, is_gift boolean,
    total_cents bigint GENERATED ALWAYS AS ((total * 100)::bigint) STORED,
    till point_of_sale, place point, search tsvector, ref vector(3), mask bit(4), home macaddr,
    kind varchar CHECK (kind IN ('web', 'shop, local', 'phone')),
    quantity int NOT NULL CHECK (quantity > 0 AND quantity <= 1000),
    created_at timestamp(6) NOT NULL DEFAULT now(), updated_at timestamp(6) NOT NULL DEFAULT now()
);
INSERT INTO orders (id, user_id, status, total, discount, weight, ratio, paid, tags, spans, lasted, took, placed_on,
    ready_at, opens, opens_there, doc, blob, is_gift, till, place, search, ref, mask, home, kind, quantity,
    created_at, updated_at)
SELECT md5(n::text)::uuid, 1 + n % 300, (enum_range(NULL::order_status))[1 + n % 4], n * 1.25,
    CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN 'NaN' WHEN 2 THEN 0.1234567890123 ELSE n / 3.0 END::numeric,
    CASE WHEN n % 7 = 0 THEN 'NaN' ELSE n / 3.0 END, CASE WHEN n % 11 = 0 THEN 'Infinity' ELSE n / 7.0 END,
    (n * 0.99)::numeric::money,
    CASE n % 4 WHEN 0 THEN '{}' WHEN 1 THEN ARRAY['a', NULL, 'b "q"'] WHEN 2 THEN '[0:1]={x,y}' ELSE '{{p,q},{r,s}}' END::text[],
    int4range(n, n + 5), n * interval '1 month 1 day 1.5 second', n * interval '1 hour',
    CASE WHEN n % 9 = 0 THEN 'infinity' ELSE date '2024-01-01' + n % 60 END::date,
    CASE WHEN n % 13 = 0 THEN '-infinity' WHEN n % 17 = 0 THEN '0044-03-15 BC'
         ELSE timestamptz '2024-01-01Z' + n * interval '1 hour' END::timestamptz,
    CASE WHEN n % 19 = 0 THEN '24:00' ELSE time '08:00' + n * interval '1 minute' END::time, '08:00+02',
    '{"a": 1, "a": 2}', decode(md5(n::text), 'hex'), n % 2 = 0, ROW(n, 1)::point_of_sale, point(n, 1),
    to_tsvector('simple', 'word' || n), ARRAY[n, 1, 2]::vector, (n % 16)::bit(4), '08:00:2b:01:02:03',
    (ARRAY['web', 'shop, local', 'phone'])[1 + n % 3], 1 + n % 1000,
    timestamp '2024-01-01' + n * interval '2 hours', timestamp '2024-02-01' + n * interval '2 hours'
FROM generate_series(1, 400) AS n;

-- Reserved words, spaces, mixed case, other alphabets, quotes, names that only case tells apart.
CREATE TABLE "class" (
    "select" int PRIMARY KEY, "from" text, "Order" text, "order" text, "two words" text, "1st" text,
    "ÜBER" text, "say ""hi""" text, "it's" text, "a.b" text, "per%cent" text, "_source" text,
    "__day" text, "back\slash" text, "naïve €" text, "заказ" text, "import" int, "None" int, "pl" int, "*" int,
    "_TABLE_SUFFIX" int, "schema" int, "^a$" int
);
INSERT INTO "class" SELECT n, 'f' || n, 'O', 'o', 'w', '1', 'ü', 'hi', 'its', 'ab', '%', 'src', 'day', E'\\', '€',
    'з', n, n, n, n, n, n, n FROM generate_series(1, 20) AS n;
CREATE TABLE "Order Items" ("Order Id" int, "Line No" int, "Amount In Cents" bigint NOT NULL, "updatedAt" timestamptz,
    "createdAt" timestamptz NOT NULL DEFAULT '2024-01-05Z', PRIMARY KEY ("Order Id", "Line No"));
INSERT INTO "Order Items" SELECT n / 3, n % 3, n * 100, CASE WHEN n % 4 = 0 THEN timestamptz '2024-03-01Z' END
    FROM generate_series(1, 90) AS n;
CREATE TABLE "ORDERS" (id int PRIMARY KEY, what text);
INSERT INTO "ORDERS" VALUES (1, 'only case tells it from orders');
CREATE TABLE "Заказы" (id int PRIMARY KEY, "Сумма" numeric(10, 2));
INSERT INTO "Заказы" VALUES (1, 9.99), (2, NULL);
CREATE TABLE a_name_that_is_as_long_as_postgresql_lets_it_be_63_bytes_of_it_ (
    a_column_that_is_as_long_as_postgresql_lets_it_be_63_bytes_of_it_ timestamptz NOT NULL, id int PRIMARY KEY);
INSERT INTO a_name_that_is_as_long_as_postgresql_lets_it_be_63_bytes_of_it_ VALUES ('2024-01-01Z', 1);

-- Keys: none but a combination, one that may be NULL, a unique index, none at all.
CREATE TABLE memberships (user_id bigint, group_id int, role text, since date);
INSERT INTO memberships SELECT n % 50, n / 50, 'member', date '2024-01-01' + n FROM generate_series(0, 199) AS n;
CREATE TABLE translations (locale text, key text, value text, UNIQUE NULLS DISTINCT (locale, key));
INSERT INTO translations SELECT NULLIF('l' || n % 3, 'l0'), 'k' || n / 3, 'v' FROM generate_series(0, 89) AS n;
CREATE TABLE coupons (code short_code, percent smallint CHECK (percent BETWEEN 1 AND 100), note text);
CREATE UNIQUE INDEX ON coupons (code);
ALTER TABLE coupons ALTER code SET NOT NULL;
INSERT INTO coupons SELECT 'C' || n, 1 + n % 100, NULL FROM generate_series(1, 30) AS n;
CREATE TABLE page_views (path text, seen_at timestamptz NOT NULL DEFAULT '2024-01-01Z');
INSERT INTO page_views SELECT '/' FROM generate_series(1, 40);
CREATE TABLE never_filled (id int PRIMARY KEY, label text NOT NULL, made date);
CREATE TABLE never_filled_without_key (a text, b text);
CREATE TABLE legacy (id numeric NOT NULL PRIMARY KEY, amount numeric, small numeric(5, -2), wide numeric(50, 10),
    tiny numeric(3, 5));
INSERT INTO legacy SELECT n, n / 7.0, n * 100, n, 0.00012 FROM generate_series(1, 25) AS n;
CREATE TABLE clocks (id int PRIMARY KEY, modified timestamp, valid_until date, changed_ms bigint);
INSERT INTO clocks SELECT n, '2024-01-01', '9999-12-31', 1704067200000 + n FROM generate_series(1, 30) AS n;

-- Views, partitions, inheritance.
CREATE VIEW paid_orders AS SELECT o.id, o.total, u.email, o.updated_at FROM orders o JOIN users u ON u.id = o.user_id
    WHERE o.status <> 'cart';
CREATE MATERIALIZED VIEW order_days AS SELECT created_at::date AS day, count(*) AS orders, sum(total) AS total
    FROM orders GROUP BY 1;
CREATE UNIQUE INDEX ON order_days (day);
CREATE TABLE readings (device int NOT NULL, at timestamptz NOT NULL, value real, PRIMARY KEY (device, at))
    PARTITION BY RANGE (at);
CREATE TABLE readings_jan PARTITION OF readings FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE readings_feb PARTITION OF readings FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
INSERT INTO readings SELECT n % 5, timestamptz '2024-01-20Z' + n * interval '1 hour', n FROM generate_series(1, 300) AS n;
CREATE TABLE vehicles (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE trucks (load_kg int) INHERITS (vehicles);
INSERT INTO vehicles VALUES (1, 'bike'); INSERT INTO trucks VALUES (2, 'truck', 900);
