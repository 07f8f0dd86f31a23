"""Classes, bases, roles, purposes and places in the words of the W3C Data Privacy Vocabulary 2, as compact IRIs.

Prefixes: `dpv` https://w3id.org/dpv#, `pd` https://w3id.org/dpv/pd#, `eu-gdpr` https://w3id.org/dpv/legal/eu/gdpr#,
`loc` https://w3id.org/dpv/loc#. Statuses of consent are in `stores.dpv`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.model.words import Basis, Role

_EEA = "AT BE BG HR CY CZ DE DK EE ES FI FR GR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK"
_UNDER_GDPR = frozenset({"EU", "EEA", *_EEA.split(" ")})

BASES: Mapping[Basis, tuple[str, str]] = MappingProxyType(
    {
        Basis.CONSENT: ("dpv:ExpressedConsent", "eu-gdpr:A6-1-a"),
        Basis.EXPLICIT_CONSENT: ("dpv:ExplicitlyExpressedConsent", "eu-gdpr:A9-2-a"),
        Basis.CONTRACT: ("dpv:ContractPerformance", "eu-gdpr:A6-1-b"),
        Basis.LEGAL_OBLIGATION: ("dpv:LegalObligation", "eu-gdpr:A6-1-c"),
        Basis.VITAL_INTEREST: ("dpv:VitalInterest", "eu-gdpr:A6-1-d"),
        Basis.PUBLIC_INTEREST: ("dpv:PublicInterest", "eu-gdpr:A6-1-e"),
        Basis.LEGITIMATE_INTEREST: ("dpv:LegitimateInterest", "eu-gdpr:A6-1-f"),
    }
)
"""What makes processing lawful: in general, and under the GDPR."""

ROLES: Mapping[Role, str] = MappingProxyType(
    {
        Role.CONTROLLER: "dpv:DataController",
        Role.PROCESSOR: "dpv:DataProcessor",
        Role.PARTNER: "dpv:ThirdParty",
        Role.AFFILIATE: "dpv:ThirdParty",
        Role.AUTHORITY: "dpv:Authority",
        Role.SUBJECT: "dpv:DataSubject",
        Role.PUBLIC: "dpv:ThirdParty",
    }
)

_ACCESS = ("A15", "A16", "A17", "A18")
_RIGHTS: Mapping[Basis, tuple[str, ...]] = MappingProxyType(
    {
        Basis.CONSENT: ("A7-3", *_ACCESS, "A20", "A77"),
        Basis.EXPLICIT_CONSENT: ("A7-3", *_ACCESS, "A20", "A77"),
        Basis.CONTRACT: (*_ACCESS, "A20", "A77"),
        Basis.LEGAL_OBLIGATION: ("A15", "A16", "A18", "A77"),
        Basis.VITAL_INTEREST: (*_ACCESS, "A77"),
        Basis.PUBLIC_INTEREST: ("A15", "A16", "A18", "A21", "A77"),
        Basis.LEGITIMATE_INTEREST: (*_ACCESS, "A21", "A77"),
    }
)

_PURPOSES: Mapping[str, str] = MappingProxyType(
    {
        "service": "RequestedServiceProvision",
        "service.auth": "IdentityAuthentication",
        "service.payment": "PaymentManagement",
        "service.support": "CustomerCare",
        "service.notify": "CommunicationManagement",
        "security": "EnforceSecurity",
        "security.fraud": "FraudPreventionAndDetection",
        "legal": "LegalCompliance",
        "rights": "RightsFulfilment",
        "functional": "UserInterfacePersonalisation",
        "improve": "ImproveExistingProductsAndServices",
        "analytics": "ServiceUsageAnalytics",
        "personalise": "Personalisation",
        "marketing": "Marketing",
        "marketing.direct": "DirectMarketing",
        "ads": "Advertising",
        "ads.targeted": "TargetedAdvertising",
        "sale": "SellDataToThirdParties",
        "research": "ResearchAndDevelopment",
    }
)

_CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "user.account": "Profile",
        "user.account.username": "Username",
        "user.authorization": "Authenticating",
        "user.authorization.password": "Password",
        "user.behavior": "Behavioral",
        "user.behavior.browsing_history": "BrowserHistory",
        "user.behavior.purchase_history": "Purchase",
        "user.behavior.search_history": "Interest",
        "user.biometric": "Biometric",
        "user.biometrics": "Biometric",
        "user.contact": "Contact",
        "user.contact.address": "PhysicalAddress",
        "user.contact.address.city": "City",
        "user.contact.address.country": "Country",
        "user.contact.address.postal_code": "PostalCode",
        "user.contact.address.street": "Street",
        "user.contact.email": "EmailAddress",
        "user.contact.phone_number": "TelephoneNumber",
        "user.content": "Communication",
        "user.content.self_image": "Picture",
        "user.criminal_history": "Criminal",
        "user.demographic": "Demographic",
        "user.demographic.age_range": "AgeRange",
        "user.demographic.citizenship_or_immigration_status": "Citizenship",
        "user.demographic.date_of_birth": "BirthDate",
        "user.demographic.gender": "Gender",
        "user.demographic.language": "Language",
        "user.demographic.marital_status": "MaritalStatus",
        "user.demographic.philosophical_belief": "PhilosophicalBelief",
        "user.demographic.political_opinion": "PoliticalOpinion",
        "user.demographic.race_ethnicity": "EthnicOrigin",
        "user.demographic.religious_belief": "ReligiousBelief",
        "user.demographic.sexual_orientation": "Sexual",
        "user.demographic.union_membership": "TradeUnionMembership",
        "user.device": "DeviceBased",
        "user.device.cookie": "Identifier",
        "user.device.cookie_id": "Identifier",
        "user.device.device_id": "Identifier",
        "user.device.ip_address": "IPAddress",
        "user.financial": "Financial",
        "user.financial.bank_account": "BankAccount",
        "user.financial.credit_card": "PaymentCardNumber",
        "user.government_id": "OfficialID",
        "user.government_id.passport_number": "Passport",
        "user.health": "Health",
        "user.health.genetic": "Genetic",
        "user.health.prescriptions": "Prescription",
        "user.health_and_medical": "Health",
        "user.health_and_medical.genetic": "Genetic",
        "user.job_title": "Job",
        "user.location": "Location",
        "user.location.coarse": "Locality",
        "user.location.imprecise": "Locality",
        "user.location.precise": "GPSCoordinate",
        "user.name": "Name",
        "user.payment": "Transaction",
        "user.privacy_preferences": "PrivacyPreference",
        "user.professional_information": "Professional",
        "user.social": "SocialNetwork",
        "user.social_activity": "SocialNetwork",
        "user.unique_id": "UID",
        "user.workplace": "WorkEnvironment",
    }
)


def is_under_gdpr(jurisdiction: str) -> bool:
    """Whether the jurisdiction of a controller, as rules write it, is one of the GDPR."""
    return jurisdiction.upper() in _UNDER_GDPR


def legal_basis_terms(basis: Basis, jurisdiction: str) -> list[str]:
    """The basis in general and, where the GDPR applies, by its article."""
    general, article = BASES[basis]
    return [general, article] if is_under_gdpr(jurisdiction) else [general]


def rights_terms(basis: Basis, jurisdiction: str) -> list[str]:
    """The rights that a person has under this basis, by article of the GDPR; none are known where it does not apply."""
    return [f"eu-gdpr:{article}" for article in _RIGHTS[basis]] if is_under_gdpr(jurisdiction) else []


def jurisdiction_term(jurisdiction: str) -> str:
    """The place whose law applies."""
    return f"loc:{jurisdiction.upper()}"


def purpose_term(name: str) -> str:
    """What a purpose is a kind of, by the nearest name above it that is in the vocabulary."""
    return f"dpv:{_nearest(name, _PURPOSES) or 'Purpose'}"


def class_term(data_class: str) -> str:
    """What a class of data is a kind of, by the nearest class above it that is in the vocabulary."""
    found = _nearest(data_class, _CLASSES)
    return f"pd:{found}" if found else "dpv:PersonalData"


def _nearest(name: str, terms: Mapping[str, str]) -> str:
    while name:
        if name in terms:
            return terms[name]
        name = name.rpartition(".")[0]
    return ""
