"""Names of fields that say what kind of personal data stands in them: English, German, Chinese, and pinyin.

Words are separated by one space, in lower case. Only names that hardly mean anything else are here: `name`
alone, `address`, `state` or `id` are not.
"""

_TABLE = """
user.contact.email
  email; e mail; email address; e mail address; mail address; user email; customer email; contact email; work email
  billing email; shipping email; email addr; recipient email; sender email; login email; emails
  e mail adresse; email adresse; mailadresse; emailadresse; kunden email
  邮箱; 电子邮箱; 电子邮件; 邮箱地址; 电邮; youxiang; dianzi youxiang
user.contact.phone_number
  phone; phone number; phone no; mobile; mobile number; mobile phone; mobile no; cell phone; cellphone; telephone
  telephone number; tel; msisdn; work phone; home phone; contact phone; customer phone; phonenumber; whatsapp
  billing phone; shipping phone; daytime phone; phones
  telefon; telefonnummer; handy; handynummer; mobilnummer; mobiltelefon; rufnummer; telefon nr; tel nr
  手机; 手机号; 手机号码; 电话; 电话号码; 联系电话; 联系方式; shouji; shoujihao; shouji hao; dianhua
user.contact.fax_number
  fax; fax number; faxnummer; telefax; 传真
user.contact.address.street
  street; street address; street name; address line 1; address line 2; address line1; address line2; address1; address2
  address 1; address 2; billing street; shipping street; house number
  strasse; straße; hausnummer; strasse hausnummer; strasse und hausnummer; anschrift; adresszeile
  街道; 门牌号; 详细地址; jiedao
user.contact.address
  home address; postal address; mailing address; shipping address; billing address; delivery address
  residential address; customer address; full address; formatted address
  lieferadresse; rechnungsadresse; wohnadresse; postanschrift; lieferanschrift; rechnungsanschrift; wohnanschrift
  地址; 住址; 家庭地址; 收货地址; 联系地址; dizhi; zhuzhi
user.contact.address.postal_code
  zip; zip code; zipcode; postal code; postalcode; post code; postcode; billing zip; shipping zip
  plz; postleitzahl; 邮编; 邮政编码; youbian
user.contact.address.city
  city; home city; billing city; shipping city; wohnort; stadt; 城市; 所在城市
user.contact.address.state
  billing state; shipping state; home state; bundesland; 省份
user.contact.address.country
  country of residence; billing country; shipping country; home country; wohnsitzland
user.name
  full name; fullname; real name; display name; customer name; client name; person name; contact name; patient name
  recipient name; sender name; cardholder; cardholder name; card holder; account holder; passenger name; employee name
  user full name; owner name; guest name; billing name; shipping name; legal name; maiden name
  kundenname; vor und nachname; name des kunden; kontoinhaber; karteninhaber; ansprechpartner; geburtsname
  姓名; 真实姓名; 客户姓名; 用户姓名; 收件人; 联系人; xingming
user.name.first
  first name; firstname; given name; givenname; fname; forename; middle name; vorname; rufname; 名; mingzi
user.name.last
  last name; lastname; surname; family name; familyname; lname; nachname; familienname; zuname; 姓; 姓氏
user.account.username
  username; user name; login name; loginname; screen name; nickname; nick name; user login; user handle; benutzername
  anmeldename; nutzername; spitzname; 用户名; 昵称; 账号; yonghuming; nicheng
user.authorization.password
  password; passwd; pwd; passphrase; password hash; new password; old password; current password; password confirmation
  passwort; kennwort; passwort hash; 密码; mima
user.authorization.credentials
  access token; refresh token; id token; auth token; session token; bearer token; api key; apikey; client secret
  session id; sessionid; jsessionid; phpsessid; connect sid; authorization
  secret key; private key; otp; one time password; security code; cvv; cvc; cvv2; cvc2; totp secret
  sitzungskennung; zugriffstoken; 验证码; 令牌
user.demographic.date_of_birth
  date of birth; dateofbirth; dob; birth date; birthdate; birthday; birth day; born on; bday; year of birth; birth year
  geburtsdatum; geburtstag; geb datum; geboren am; geburtsjahr; 生日; 出生日期; 出生年月; shengri; chusheng riqi
user.demographic.gender
  gender; sex; gender identity; geschlecht; 性别; xingbie
user.demographic.marital_status
  marital status; civil status; familienstand; 婚姻状况
user.demographic.citizenship_or_immigration_status
  citizenship; nationality; immigration status; visa status; staatsangehörigkeit; staatsangehoerigkeit; nationalität
  nationalitaet; 国籍; guoji
user.demographic.race_ethnicity
  ethnicity; ethnic group; race ethnicity; ethnische herkunft; 民族; minzu
user.demographic.religious_belief
  religion; religious belief; konfession; kirchensteuermerkmal; 宗教; 宗教信仰
user.demographic.political_opinion
  political opinion; political affiliation; party affiliation; parteizugehörigkeit; parteizugehoerigkeit; 政治面貌
user.demographic.sexual_orientation
  sexual orientation; sexuelle orientierung; 性取向
user.demographic.union_membership
  union membership; trade union; gewerkschaft; gewerkschaftszugehörigkeit
user.demographic.age_range
  age range; age group; age bracket; altersgruppe; 年龄; 年龄段; nianling
user.financial.credit_card
  card number; cardnumber; credit card; creditcard; credit card number; cc number; ccnum; payment card; card no
  kreditkarte; kreditkartennummer; kartennummer; 信用卡; 信用卡号
user.financial.bank_account
  iban; bank account; bank account number; account number; accountnumber; routing number; sort code
  kontonummer; konto nr; bankverbindung; bankleitzahl; blz; 银行卡; 银行卡号; 银行账号; 银行账户; yinhangka
user.government_id.national_identification_number
  ssn; social security number; national id; national id number; national insurance number; nino; tax id; tax number
  taxpayer id; identity card number; id card number; personal identification number; social insurance number
  sozialversicherungsnummer; steuer id; steuernummer; steueridentifikationsnummer; steuer identifikationsnummer
  personalausweisnummer; ausweisnummer; 身份证; 身份证号; 身份证号码; 证件号码; shenfenzheng; shenfenzhenghao
user.government_id.passport_number
  passport; passport number; passport no; passportnumber; reisepass; reisepassnummer; passnummer; 护照; 护照号; huzhao
user.government_id.drivers_license_number
  drivers license; driver license; driving licence; drivers license number; driver license number
  driving licence number
  führerschein; führerscheinnummer; fuehrerscheinnummer; 驾照; 驾驶证号
user.government_id.vehicle_registration
  license plate; licence plate; number plate; vehicle registration; kennzeichen; kfz kennzeichen; 车牌号; chepaihao
user.health.medical_diagnosis
  diagnosis; medical diagnosis; icd 10; icd10; diagnose; diagnosen; 诊断
user.health.medications
  medication; medications; medikament; medikamente; medikation; 药物
user.health.insurance_beneficiary_id
  insurance number; health insurance number; health insurance id; krankenversicherungsnummer; versichertennummer
  krankenversichertennummer; 医保卡号
user.health.record_id
  patient id; medical record number; mrn; patientennummer; patienten id; 病历号
user.health.condition
  blood type; blood group; allergies; disability; blutgruppe; allergien; behinderung; 血型; 过敏史
user.location.precise
  latitude; longitude; lat; lng; lon; lat lng; latlng; geolocation; gps coordinates; geo point
  breitengrad; längengrad; laengengrad; 经度; 纬度; 定位
user.device.ip_address
  ip; ip address; forwarded for; real ip; ipaddress; ip addr; client ip; remote ip; remote addr; user ip; source ip
  forwarded; true client ip; cf connecting ip; ip adresse; ipadresse; ip地址
user.device.device_id
  device id; deviceid; udid; imei; imsi; meid; idfa; idfv; gaid; adid; advertising id; android id; mac address
  macaddress; push token; device token; registration token; geräte id; geraete id; 设备号
user.device.cookie_id
  cookie id; visitor id; anonymous id; browser fingerprint
  hubspotutk; ajs anonymous id; gclid; fbclid; msclkid; ttclid; dclid; besucher id
user.device
  user agent; useragent; device model; device name; sec ch ua model; sec ch ua platform version; gerätename; 设备型号
user.unique_id
  user id; userid; uid; customer id; customerid; client number; customer number; customer no; member id; member number
  person id; subject id; account id; employee id; contact id; external user id; distinct id; personnel number
  kundennummer; kunden nr; kunden id; kundenid; mitgliedsnummer; personalnummer; benutzer id; nutzer id
  用户id; 用户编号; 会员号; 客户编号; 工号; 学号; openid; unionid
user.job_title
  job title; jobtitle; occupation; profession; berufsbezeichnung; beruf; 职位; 职业; zhiye
user.workplace
  employer; workplace; arbeitgeber; 工作单位
user.financial
  salary; income; annual income; net income; gross salary; gehalt; einkommen; jahreseinkommen; 工资; 收入
user.criminal_history
  criminal record; criminal history; vorstrafen; führungszeugnis; 犯罪记录
"""


def _read(table: str) -> dict[str, str]:
    found: dict[str, str] = {}
    data_class = ""
    for line in table.splitlines():
        if line and not line.startswith(" "):
            data_class = line
        else:
            found.update({name.strip(): data_class for name in line.split(";") if name.strip()})
    return found


CLASS_BY_NAME = _read(_TABLE)
"""The full key of the class, by the name's words."""
