"""Classes of personal data: the keys of the public fideslang taxonomy.

Only the keys are used. They come from fideslang 3.1 and 3.2 by Ethyca (Apache-2.0; the taxonomy is
also published under CC BY 4.0 by IAB Tech Lab); keys that 3.2 renamed are known under both names.
A rule may leave the leading `user.` out.
"""

from functools import lru_cache

_KEYS = """
system system.authentication system.operations
user
user.account user.account.settings user.account.username
user.authorization user.authorization.biometric user.authorization.biometrics user.authorization.credentials
user.authorization.password
user.behavior user.behavior.browsing_history user.behavior.media_consumption user.behavior.purchase_history
user.behavior.search_history
user.biometric user.biometric.fingerprint user.biometric.health user.biometric.retinal user.biometric.voice
user.biometrics user.biometrics.fingerprint user.biometrics.retinal user.biometrics.voice
user.children user.children.children_under_thirteen user.children.thirteen_to_sixteen user.childrens
user.contact user.contact.address user.contact.address.city user.contact.address.country
user.contact.address.mailing_address user.contact.address.postal_code user.contact.address.state
user.contact.address.street user.contact.email user.contact.fax_number user.contact.organization
user.contact.phone_number user.contact.social_url user.contact.url
user.content user.content.private user.content.public user.content.self_image
user.criminal_history
user.demographic user.demographic.age_range user.demographic.citizenship_or_immigration_status
user.demographic.date_of_birth user.demographic.gender user.demographic.language user.demographic.marital_status
user.demographic.philosophical_belief user.demographic.political_opinion user.demographic.profile
user.demographic.protected_classifications user.demographic.race_ethnicity user.demographic.religious_belief
user.demographic.sexual_orientation user.demographic.union_membership
user.device user.device.cookie user.device.cookie_id user.device.device_id user.device.ip_address
user.device.sensor user.device.telemetry
user.financial user.financial.bank_account user.financial.credit_card
user.government_id user.government_id.birth_certificate user.government_id.drivers_license_number
user.government_id.immigration user.government_id.national_identification_number
user.government_id.passport_number user.government_id.vehicle_registration
user.health user.health.baby_formula user.health.condition user.health.genetic
user.health.insurance_beneficiary_id user.health.maternity_clothing user.health.medical_diagnosis
user.health.medications user.health.prescriptions user.health.record_id user.health.reproductive_or_sexual
user.health.social_psychological_behavioral user.health.symptons user.health.treatment
user.health_and_medical user.health_and_medical.genetic user.health_and_medical.insurance_beneficiary_id
user.health_and_medical.record_id
user.job_title
user.location user.location.coarse user.location.imprecise user.location.precise
user.name user.name.first user.name.last
user.payment
user.privacy_preferences
user.professional_information user.professional_information.job_title user.professional_information.workplace
user.sensor
user.settings
user.social user.social_activity
user.telemetry
user.unique_id user.unique_id.deterministic user.unique_id.probablistic user.unique_id.pseudonymous
user.user_sensor
user.workplace
"""

CLASSES: tuple[str, ...] = tuple(_KEYS.split())
"""Every class in full."""

SHORT_CLASSES: tuple[str, ...] = tuple(key.removeprefix("user.") for key in CLASSES if key != "user")
"""Every class as rules usually write it."""

_KNOWN = frozenset(CLASSES)

SPECIAL = (
    "user.health",
    "user.health_and_medical",
    "user.biometric",
    "user.biometrics",
    "user.authorization.biometric",
    "user.authorization.biometrics",
    "user.demographic.race_ethnicity",
    "user.demographic.religious_belief",
    "user.demographic.philosophical_belief",
    "user.demographic.political_opinion",
    "user.demographic.sexual_orientation",
    "user.demographic.union_membership",
    "user.criminal_history",
    "user.children",
    "user.childrens",
)
"""Classes, with all below them, that the law protects more (GDPR Art. 8 to 10, PIPL Art. 28)."""


def class_of(text: str) -> str | None:
    """The full key of a class, None where the taxonomy does not know it."""
    if text in _KNOWN:
        return text
    full = f"user.{text}"
    return full if full in _KNOWN else None


@lru_cache(maxsize=1024)
def is_special(data_class: str) -> bool:
    """Whether a class (full key) belongs to a special category."""
    return any(data_class == special or data_class.startswith(special + ".") for special in SPECIAL)
