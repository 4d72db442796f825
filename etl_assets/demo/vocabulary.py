"""The words and the weights that make the demo shop look like one. Data only."""

from typing import Final, NamedTuple


class Country(NamedTuple):
    """A country: its share of the customers, its currency, and the locale of its people's names.

    `trunk` goes before a number that is dialled within the country; `mobile` is what its mobile
    numbers look like, with # for any digit.
    """

    code: str
    name: str
    share: float
    currency: str
    locale: str
    dialling_code: str
    trunk: str
    mobile: str


COUNTRIES: Final = (
    Country("DE", "Germany", 0.28, "EUR", "de_DE", "+49", "0", "1512#######"),
    Country("US", "United States", 0.19, "USD", "en_US", "+1", "", "2125######"),
    Country("GB", "United Kingdom", 0.12, "GBP", "en_GB", "+44", "0", "7400######"),
    Country("FR", "France", 0.10, "EUR", "fr_FR", "+33", "0", "61#######"),
    Country("NL", "Netherlands", 0.07, "EUR", "nl_NL", "+31", "0", "61#######"),
    Country("AT", "Austria", 0.06, "EUR", "de_AT", "+43", "0", "664#######"),
    Country("CH", "Switzerland", 0.05, "CHF", "de_CH", "+41", "0", "79#######"),
    Country("ES", "Spain", 0.045, "EUR", "es_ES", "+34", "", "61#######"),
    Country("IT", "Italy", 0.04, "EUR", "it_IT", "+39", "", "347#######"),
    Country("PL", "Poland", 0.02, "PLN", "pl_PL", "+48", "", "601######"),
    Country("SE", "Sweden", 0.02, "SEK", "sv_SE", "+46", "0", "70#######"),
    # Namibia, whose code careless readers of CSV take for a missing value.
    Country("NA", "Namibia", 0.005, "USD", "en_US", "+264", "0", "81#######"),
)

# Family names that a careless reader of CSV or SQL trips over.
ODD_NAMES: Final = ("Null", "O'Connor", "d'Aubigné", "von der Heide", "Yılmaz", "Łęcki")  # noqa: RUF001

SEGMENTS: Final = ("consumer", "business", "vip")
SEGMENT_SHARES: Final = (0.80, 0.16, 0.04)
MAIL_HOSTS: Final = ("example.com", "mail.example.org", "example.net", "post.example.de")


class Category(NamedTuple):
    """A category of products: code in the SKU, its articles, and list prices from-to in cents."""

    code: str
    name: str
    articles: tuple[str, ...]
    makes: tuple[str, ...]
    cents: tuple[int, int]
    kilograms: tuple[float, float]
    tags: tuple[str, ...]


CATEGORIES: Final = (
    Category(
        "KIT",
        "Kitchen",
        ("Frying Pan", "Chef's Knife", "Kettle", "Cutting Board", "Espresso Pot", "Salad Bowl"),
        ("Cast Iron", "Steel", "Olive Wood", "Enamelled", "Copper"),
        (1290, 14900),
        (0.2, 4.5),
        ("kitchen", "dishwasher-safe", "gift", "induction", "bestseller"),
    ),
    Category(
        "OUT",
        "Outdoor",
        ("Tent 2P", "Sleeping Bag", "Backpack 40 l", "Head Torch", "Camp Stove", "Rain Jacket"),
        ("Ultralight", "Trail", "Alpine", "Family", "Recycled"),
        (1990, 44900),
        (0.1, 6.0),
        ("outdoor", "waterproof", "ultralight", "winter", "new"),
    ),
    Category(
        "OFF",
        "Office",
        ('Monitor 27"', "Desk Lamp", "Notebook A5", "Office Chair", "Keyboard", "Desk Pad"),
        ("Classic", "Ergonomic", "Walnut", "Compact", "Pro"),
        (490, 59900),
        (0.05, 14.0),
        ("office", "ergonomic", "b2b", "home-office"),
    ),
    Category(
        "TOY",
        "Toys & Games",
        ("Building Blocks", "Jigsaw, 1000 pieces", "Marble Run", "Kite", "Card Game"),
        ("Wooden", "Rainbow", "Junior", "Deluxe", "Mini"),
        (690, 8900),
        (0.1, 3.0),
        ("kids", "3+", "8+", "gift", "wood"),
    ),
    Category(
        "GAR",
        "Garden",
        ("Watering Can", "Pruning Shears", "Planter", "Bird Feeder", "Hose 20 m", "Rake"),
        ("Galvanised", "Terracotta", "Bamboo", "Heavy-Duty", "Vintage"),
        (890, 12900),
        (0.2, 9.0),
        ("garden", "spring", "frost-proof", "balcony"),
    ),
    Category(
        "TEX",
        "Home Textiles",
        ("Bath Towel", "Duvet Cover", "Wool Blanket", "Cushion", "Tea Towel Set", "Curtain"),
        ("Linen", "Organic Cotton", "Merino", "Jacquard", "Crêpe"),
        (990, 18900),
        (0.1, 3.5),
        ("textile", "organic", "washable", "gift", "sale"),
    ),
    Category(
        "FOO",
        "Delicatessen",
        ("Espresso Beans 1 kg", "Olive Oil", "Dark Chocolate", "Wild Honey", "Green Tea"),
        ("Single Origin", "Organic", "Reserve", "Fair Trade", "Grand Cru"),
        (390, 4900),
        (0.1, 1.6),
        ("food", "vegan", "organic", "subscription"),
    ),
)
COLOURS: Final = ("black", "white", "sand", "forest", "rosé", "petrol")
ORIGINS: Final = ("DE", "PT", "IT", "SE", "VN", "JP")

# What the legacy application wrote over the years, one spelling after the other.
STATUSES: Final = {
    "delivered": 0.30,
    "Delivered": 0.07,
    "DELIVERED": 0.03,
    "SHIPPED": 0.11,
    "shipped": 0.06,
    "Paid": 0.15,
    "paid": 0.06,
    "PAID": 0.02,
    "pending": 0.07,
    "Pending": 0.02,
    "Cancelled": 0.05,
    "cancelled": 0.02,
    "refunded": 0.03,
    "Refunded": 0.01,
}
CHANNELS: Final = {"web": 0.52, "mobile": 0.31, "marketplace": 0.11, "store": 0.06}
# Code and the discount it gives, as a share of the goods.
COUPONS: Final = {"WELCOME10": 0.10, "WINTER15": 0.15, "VIP-20": 0.20, "newsletter5": 0.05}


class Carrier(NamedTuple):
    """A carrier: its share of the parcels, how it numbers them, and how its files are packed."""

    name: str
    share: float
    code: str
    suffix: str


CARRIERS: Final = (
    Carrier("norda", 0.5, "NRD", ".csv"),
    Carrier("blitzbote", 0.3, "BB", ".csv.gz"),
    Carrier("kestrel", 0.2, "KES", ".csv"),
)


class Supplier(NamedTuple):
    """A supplier: the currency of its prices, and what they are against the shop's, from-to."""

    name: str
    currency: str
    price_shares: tuple[float, float]


# For zloty, kronor and francs there is none: what is sold in them has no known cost.
SUPPLIERS: Final = (
    Supplier("albion", "GBP", (0.46, 0.70)),
    Supplier("hanseatic", "EUR", (0.42, 0.66)),
    Supplier("meridian", "USD", (0.48, 0.72)),
)

# Everything that a text column may hold and a CSV reader may trip over.
NOTES: Final = (
    'Please ring at "Müller", 2nd floor',
    "Leave it with the neighbour,\nthank you!",
    "🎁 gift wrap, please 🎉",
    "",
    "",
    'Invoice to: ACME, Inc., attn. "Accounts, payable"',
    "line one\r\nline two\r\n\r\nline four",
    "NULL",
    "N/A",
    "  deliver after 17:00  ",
    "it's urgent; call me",
    "C:\\orders\\2024\tcopy",
    "\\N",
    '=HYPERLINK("http://example.com";"click")',
    "納品書を同封してください",
    '"',
)

# Share of the day's orders in each hour of UTC: a lunch break and an evening peak.
HOURS: Final = (
    0.6, 0.4, 0.3, 0.2, 0.3, 0.7, 1.5, 2.8, 4.0, 5.0, 5.6, 6.2,
    6.9, 6.0, 5.2, 5.0, 5.4, 6.2, 7.4, 8.6, 8.8, 7.0, 4.1, 1.8,
)  # fmt: skip
