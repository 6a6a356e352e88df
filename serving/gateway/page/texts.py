"""What the page itself says, in both languages; the contract translates its own words."""

from lakeloop.contract.periods import PeriodKind

GERMAN_PERIODS: dict[PeriodKind, tuple[str, str]] = {
    "hour": ("Stunde", "Stunden"), "day": ("Tag", "Tage"), "week": ("Woche", "Wochen"), "month": ("Monat", "Monate"),
    "quarter": ("Quartal", "Quartale"), "year": ("Jahr", "Jahre"),
}  # fmt: skip


def later_texts(ahead: int, period: PeriodKind) -> dict[str, dict[str, str]]:
    """Of when an answer is that is for so many periods later than the values, by language."""
    one, many = GERMAN_PERIODS[period]
    return {
        "en": {"ahead": f"The answer is for {ahead} {period}{'' if ahead == 1 else 's'} later than the values."},
        "de": {"ahead": f"Die Antwort gilt {ahead} {one if ahead == 1 else many} später als die Werte."},
    }


TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "language": "Deutsch",
        "language_label": "Diese Seite auf Deutsch",
        "ask": "Ask",
        "asking": "Asking …",
        "reset": "Reset",
        "answer": "Answer",
        "no_answer_yet": "Fill in the form and ask. The answer appears here.",
        "possible": "{low} to {high}",
        "may_be_empty": "may be left empty",
        "empty_is_now": "left empty, it is now",
        "not_known": "not known",
        "usual": "the model answers {low} to below {high}",
        "yes": "yes",
        "no": "no",
        "by_model": "The model answers",
        "by_rules": "The rules answer",
        "probabilities": "Probabilities",
        "no_label": "none of the labels",
        "no_probabilities": "The model was not asked, so there are no probabilities.",
        "interval": "Interval",
        "interval_of": "{lower} to {upper}: holds the truth of {share} of such rows",
        "no_interval": "The model was not asked, so there is no interval.",
        "version": "model version",
        "no_version": "none",
        "threshold": "threshold",
        "threshold_of": "{name} from {share} on",
        "request_id": "request",
        "explain": "Explain this answer",
        "explaining": "Explaining …",
        "explanation": "What the answer is made of",
        "explained_class": "On average the model gives {class} {base}; this row's values make it {value}, in points:",
        "explained_number": "On average the model answers {base}; this row's values make it {value}:",
        "explained_rules": "The model has no part in this answer: the rules gave it ({rules}).",
        "other_parts": "{count} others",
        "explain_busy": "Other answers are being explained at the moment. Please try again in some seconds.",
        "explain_failed": "This answer cannot be explained now.",
        "curl": "The same request on the command line",
        "copy": "Copy",
        "copied": "Copied",
        "not_allowed": "Allowed: {low} to {high} {unit}",
        "number_needed": "A number is needed.",
        "text_needed": "A text is needed.",
        "date_needed": "A date is needed.",
        "time_needed": "A date and a time are needed.",
        "in_zone": "time of {zone}",
        "refused": "Some inputs are not allowed. Please correct the marked fields.",
        "failed": "The gateway cannot be reached. Is it still running?",
        "no_rules": "Nobody can answer at the moment: the model is unavailable and there are no rules.",
        "logged_out": "You are not logged in any more. Please load this page again and log in.",
        "may_not_ask": "This takes a token with the role ask; whoever administers the platform makes one.",
        "account": "Account",
        "log_out": "Log out",
        "model_ready": "Model version {version} is ready.",
        "model_missing": "No model answers at the moment; the rules do.",
        "contract_problem": "Its newest contract cannot be used; the one before goes on.",
        "use_case": "Use case",
        "slider": "{label}, slider",
        "api": "API documentation",
        "ok": "The model was asked, and it is sure enough.",
        "out of range": "The model was not asked: this input lies outside of what it knows.",
        "low confidence": "The model is not sure enough.",
        "segment switched off": "The model is switched off for inputs like these.",
        "model switched off": "The model is switched off.",
        "model unavailable": "The model could not be asked in time.",
    },
    "de": {
        "language": "English",
        "language_label": "This page in English",
        "ask": "Fragen",
        "asking": "Frage läuft …",
        "reset": "Zurücksetzen",
        "answer": "Antwort",
        "no_answer_yet": "Formular ausfüllen und fragen. Die Antwort erscheint hier.",
        "possible": "{low} bis {high}",
        "may_be_empty": "darf leer bleiben",
        "empty_is_now": "leer bedeutet jetzt",
        "not_known": "nicht bekannt",
        "usual": "das Modell beantwortet {low} bis unter {high}",
        "yes": "ja",
        "no": "nein",
        "by_model": "Das Modell antwortet",
        "by_rules": "Die Regeln antworten",
        "probabilities": "Wahrscheinlichkeiten",
        "no_label": "keines davon",
        "no_probabilities": "Das Modell wurde nicht gefragt, daher gibt es keine Wahrscheinlichkeiten.",
        "interval": "Intervall",
        "interval_of": "{lower} bis {upper}: enthält die Wahrheit von {share} solcher Zeilen",
        "no_interval": "Das Modell wurde nicht gefragt, daher gibt es kein Intervall.",
        "version": "Modellversion",
        "no_version": "keine",
        "threshold": "Schwelle",
        "threshold_of": "{name} ab {share}",
        "request_id": "Anfrage",
        "explain": "Diese Antwort erklären",
        "explaining": "Erklärung läuft …",
        "explanation": "Woraus die Antwort besteht",
        "explained_class": "Im Mittel gibt das Modell {class} {base}; diese Zeile macht daraus {value}, in Punkten:",
        "explained_number": "Im Mittel antwortet das Modell {base}; die Werte dieser Zeile machen daraus {value}:",
        "explained_rules": "Das Modell hat keinen Anteil an dieser Antwort: Die Regeln gaben sie ({rules}).",
        "other_parts": "{count} andere",
        "explain_busy": "Im Moment werden andere Antworten erklärt. Bitte in einigen Sekunden noch einmal versuchen.",
        "explain_failed": "Diese Antwort kann jetzt nicht erklärt werden.",
        "curl": "Dieselbe Anfrage auf der Kommandozeile",
        "copy": "Kopieren",
        "copied": "Kopiert",
        "not_allowed": "Erlaubt: {low} bis {high} {unit}",
        "number_needed": "Hier muss eine Zahl stehen.",
        "text_needed": "Hier muss ein Text stehen.",
        "date_needed": "Hier muss ein Datum stehen.",
        "time_needed": "Hier müssen Datum und Uhrzeit stehen.",
        "in_zone": "Zeit in {zone}",
        "refused": "Einige Eingaben sind nicht erlaubt. Bitte die markierten Felder berichtigen.",
        "failed": "Das Gateway ist nicht erreichbar. Läuft es noch?",
        "no_rules": "Im Moment kann niemand antworten: Das Modell ist nicht erreichbar, und es gibt keine Regeln.",
        "logged_out": "Die Anmeldung gilt nicht mehr. Bitte die Seite neu laden und wieder anmelden.",
        "may_not_ask": "Dafür braucht es ein Token mit der Rolle ask; das macht, wer die Plattform verwaltet.",
        "account": "Konto",
        "log_out": "Abmelden",
        "model_ready": "Modellversion {version} ist bereit.",
        "model_missing": "Im Moment antwortet kein Modell; es antworten die Regeln.",
        "contract_problem": "Der neueste Contract ist unbrauchbar; der vorige gilt weiter.",
        "use_case": "Anwendungsfall",
        "slider": "{label}, Schieberegler",
        "api": "API-Dokumentation",
        "ok": "Das Modell wurde gefragt und ist sich sicher genug.",
        "out of range": "Das Modell wurde nicht gefragt: Diese Eingabe liegt außerhalb dessen, was es kennt.",
        "low confidence": "Das Modell ist sich nicht sicher genug.",
        "segment switched off": "Für solche Eingaben ist das Modell abgeschaltet.",
        "model switched off": "Das Modell ist abgeschaltet.",
        "model unavailable": "Das Modell konnte nicht rechtzeitig gefragt werden.",
    },
}

GERMAN_PARTICULARS: dict[str, str] = {
    "{name} is {value}, the model answers {low} to below {high}": (
        "{name} ist {value}, das Modell beantwortet {low} bis unter {high}"
    ),
    "{value} is below {low}": "{value} liegt unter {low}",
    "the model server was not asked yet": "der Modellserver wurde noch nicht gefragt",
    "no answer within {milliseconds} ms": "keine Antwort innerhalb von {milliseconds} ms",
    "no connection to {url} ({problem})": "keine Verbindung zu {url} ({problem})",
    "version {version} is not served any more": "Version {version} gibt es dort nicht mehr",
    "the model server knows no version of {name}": "der Modellserver kennt keine Version von {name}",
    "the model server has no version of {name} available yet": (
        "auf dem Modellserver ist noch keine Version von {name} verfügbar"
    ),
    "version {version} was trained on {names}, which the contract has no more; train a model": (
        "Version {version} wurde mit {names} trainiert, was der Vertrag nicht mehr hat"
    ),
    "version {version} answers the classes {names}, the contract has {classes}; train a model": (
        "Version {version} antwortet die Klassen {names}, der Vertrag hat {classes}"
    ),
    "every version of the model server is retired: {versions}": (
        "alle Versionen des Modellservers sind zurückgezogen: {versions}"
    ),
    "the model server's status cannot be read": "der Zustand des Modellservers ist nicht lesbar",
    "the model server's answer is not `probabilities` of {count} classes for each row": (
        "die Antwort des Modellservers besteht nicht aus `probabilities` von {count} Klassen je Zeile"
    ),
    "version {version} answers classes, the contract has a number; train a model": (
        "Version {version} antwortet Klassen, der Vertrag hat eine Zahl"
    ),
    "version {version} answers numbers, the contract has classes; train a model": (
        "Version {version} antwortet Zahlen, der Vertrag hat Klassen"
    ),
    "the model server's answer is not `prediction`, `lower` and `upper` for each row": (
        "die Antwort des Modellservers besteht nicht aus `prediction`, `lower` und `upper` je Zeile"
    ),
    "the model's answer to this row is no number": "die Antwort des Modells auf diese Zeile ist keine Zahl",
    "the model's probabilities of this row are not all numbers": (
        "die Wahrscheinlichkeiten des Modells für diese Zeile sind nicht alle Zahlen"
    ),
    "the model server answered {status}: something that cannot be read": (
        "der Modellserver antwortete {status} und etwas Unlesbares"
    ),
    "the model server answered {status}: {said}": "der Modellserver antwortete {status}: {said}",
    "unexpected {problem}": "unerwarteter Fehler {problem}",
    "the gateway stops": "das Gateway wird beendet",
}
"""What follows a reason's kind, as the gateway's answer says it, and the same in German: the first that fits.

A condition (`age < 25`) needs no translation.
"""
