"""What people say of a use case's models that no run knows: free texts for their cards."""

from lakeloop.contract.section import Section, Text, unless


class CardTexts(Section):
    """The contract's part of a model card, each a text of some sentences; what is left out the card says is left out.

    `intended_use`: what answers are for, and whom they are for. `not_for`: uses that are none of its business.
    `ethics`: whom answers touch, what could go wrong for them, what is done about it. `limits`: what is known not to
    work, and what to do instead. `contact`: who answers questions.
    """

    intended_use: Text | None = unless(None)
    not_for: Text | None = unless(None)
    ethics: Text | None = unless(None)
    limits: Text | None = unless(None)
    contact: Text | None = unless(None)
