"""The demo's tables in PostgreSQL, as a legacy shop and its billing system would have made them.

The markers of filled databases are in `shop.py` and `billing.py`.
"""

from typing import Final, LiteralString

TABLES: Final[LiteralString] = """
CREATE TABLE public.customers (
    id            bigint PRIMARY KEY,
    email         text,
    full_name     text NOT NULL,
    country       text NOT NULL,
    segment       text,
    phone         text,
    is_subscribed boolean NOT NULL,
    custom        jsonb,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);
CREATE TABLE public.products (
    id          bigint PRIMARY KEY,
    sku         text NOT NULL UNIQUE,
    name        text NOT NULL,
    category    text NOT NULL,
    price_cents integer NOT NULL,
    weight_kg   numeric(10,3),
    tags        text[] NOT NULL,
    attributes  jsonb,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
CREATE TABLE public.orders (
    id             bigint PRIMARY KEY,
    customer_id    bigint NOT NULL,
    status         text NOT NULL,
    total_cents    bigint NOT NULL,
    currency       text NOT NULL,
    channel        text NOT NULL,
    discount_cents integer,
    coupon_code    text,
    note           text,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);
CREATE TABLE public.order_items (
    id               bigint PRIMARY KEY,
    order_id         bigint NOT NULL,
    product_id       bigint NOT NULL,
    quantity         integer NOT NULL,
    unit_price_cents bigint NOT NULL,
    discount_cents   integer NOT NULL DEFAULT 0,
    updated_at       timestamptz NOT NULL
);
"""

# A table without days and without a cursor: nothing in it says when a row was made or changed.
COUNTRIES: Final[LiteralString] = """
CREATE TABLE public.countries (
    code text PRIMARY KEY,
    name text NOT NULL
);
COMMENT ON TABLE public.countries IS 'The countries that the shop delivers to.';
COMMENT ON COLUMN public.countries.code IS 'ISO 3166-1 alpha-2 code.';
COMMENT ON COLUMN public.countries.name IS 'English short name.';
"""

# After the rows: checking a key or building an index once is quicker than row by row.
KEYS_AND_INDEXES: Final[LiteralString] = """
ALTER TABLE public.orders ADD FOREIGN KEY (customer_id) REFERENCES public.customers;
ALTER TABLE public.order_items ADD FOREIGN KEY (order_id) REFERENCES public.orders;
ALTER TABLE public.order_items ADD FOREIGN KEY (product_id) REFERENCES public.products;
CREATE INDEX ON public.customers (created_at);
CREATE INDEX ON public.customers (updated_at, id);
CREATE INDEX ON public.products (created_at);
CREATE INDEX ON public.products (updated_at, id);
CREATE INDEX ON public.orders (created_at);
CREATE INDEX ON public.orders (updated_at, id);
CREATE INDEX ON public.orders (customer_id);
CREATE INDEX ON public.order_items (order_id);
CREATE INDEX ON public.order_items (updated_at, id);
"""

COMMENTS: Final[LiteralString] = """
COMMENT ON TABLE public.customers IS 'People and companies that may order; never deleted.';
COMMENT ON COLUMN public.customers.email IS 'As typed; NULL for customers of the stores.';
COMMENT ON COLUMN public.customers.country IS 'ISO 3166-1 alpha-2 code of the home address.';
COMMENT ON COLUMN public.customers.segment IS 'consumer, business or vip; NULL if not classified.';
COMMENT ON COLUMN public.customers.phone IS 'As typed, in no particular format.';
COMMENT ON COLUMN public.customers.custom IS 'Custom fields: keys come and go as they please.';
COMMENT ON TABLE public.products IS 'The catalogue, one row an article.';
COMMENT ON COLUMN public.products.price_cents IS 'List price in hundredths, in any currency.';
COMMENT ON COLUMN public.products.weight_kg IS 'Weight with packaging, in kilograms.';
COMMENT ON COLUMN public.products.attributes IS 'What only some categories have.';
COMMENT ON TABLE public.orders IS 'One row an order; changed in place as it moves on.';
COMMENT ON COLUMN public.orders.status IS
    'pending, paid, shipped, delivered, cancelled or refunded, in any mixture of cases.';
COMMENT ON COLUMN public.orders.total_cents IS
    'Sum of the items less discount_cents, in hundredths of the currency.';
COMMENT ON COLUMN public.orders.currency IS 'ISO 4217 code.';
COMMENT ON COLUMN public.orders.discount_cents IS 'Discount on the whole order; NULL for none.';
COMMENT ON COLUMN public.orders.note IS 'What the customer typed, verbatim.';
COMMENT ON TABLE public.order_items IS 'The lines of an order; line n of it has id order * 10 + n.';
COMMENT ON COLUMN public.order_items.unit_price_cents IS 'Price of one piece when it was ordered.';
COMMENT ON COLUMN public.order_items.discount_cents IS 'Discount on the whole line.';
"""

# In a database of its own: orders are known by their number only.
INVOICES: Final[LiteralString] = """
CREATE TABLE public.invoices (
    id         bigint PRIMARY KEY,
    order_id   bigint NOT NULL,
    amount     numeric(12,2) NOT NULL,
    currency   text NOT NULL,
    issued_at  timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX ON public.invoices (issued_at);
CREATE INDEX ON public.invoices (updated_at, id);
COMMENT ON TABLE public.invoices IS 'One row an invoice of an order of the shop.';
COMMENT ON COLUMN public.invoices.order_id IS 'The order, by the number that the shop gave it.';
COMMENT ON COLUMN public.invoices.amount IS 'What is to be paid, in units of the currency.';
COMMENT ON COLUMN public.invoices.currency IS 'ISO 4217 code.';
COMMENT ON COLUMN public.invoices.updated_at IS 'Last change, as when it was paid.';
"""

# As an old billing system keeps its customers: short names, Y and N, the time on the wall.
ACCOUNTS: Final[LiteralString] = """
CREATE TABLE public.accounts (
    acct_no    bigint PRIMARY KEY,
    acct_name  text NOT NULL,
    mail       text,
    tel        text,
    ctry       text NOT NULL,
    vip_flag   text,
    newsletter text,
    shop_ref   bigint,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);
CREATE INDEX ON public.accounts (created_at);
CREATE INDEX ON public.accounts (updated_at, acct_no);
COMMENT ON TABLE public.accounts IS 'One row a customer who is sent invoices.';
COMMENT ON COLUMN public.accounts.acct_name IS 'Family name, comma, given name.';
COMMENT ON COLUMN public.accounts.mail IS 'As typed; n/a and the like where there is none.';
COMMENT ON COLUMN public.accounts.tel IS 'As typed, mostly as it is dialled at home.';
COMMENT ON COLUMN public.accounts.ctry IS 'ISO 3166-1 alpha-3 code.';
COMMENT ON COLUMN public.accounts.vip_flag IS 'Y or N.';
COMMENT ON COLUMN public.accounts.newsletter IS 'Y or N.';
COMMENT ON COLUMN public.accounts.shop_ref IS 'The customer number of the shop, where it is known.';
COMMENT ON COLUMN public.accounts.created_at IS 'In Europe/Berlin.';
COMMENT ON COLUMN public.accounts.updated_at IS 'In Europe/Berlin.';
"""
