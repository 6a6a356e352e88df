"""What is made of the features that files and requests have; each function is called with a row's values."""


def price_a_night(price, nights):
    """Has no value where the stay is by day: 0 nights."""
    return price / nights


def days_ahead(booked, arrival):
    """Has no value while nobody knows when the guests arrive; a booking after the arrival is a mistake."""
    if arrival < booked:
        raise ValueError(f"arrives {(booked - arrival).days} days before it is booked")
    return (arrival - booked).days
