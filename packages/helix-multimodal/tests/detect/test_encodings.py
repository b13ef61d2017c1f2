# ruff: noqa: E501, RUF001 - text in many scripts
"""Encodings: the first article of the Universal Declaration in its languages."""

import codecs

import pytest
from helix_multimodal.detect import candidates, detect, guesses

ARTICLE = {
    "French": "Tous les êtres humains naissent libres et égaux en dignité et en droits. "
    "Ils sont doués de raison et de conscience et doivent agir les uns envers les autres "
    "dans un esprit de fraternité.",
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind "
    "mit Vernunft und Gewissen begabt und sollen einander im Geiste der Brüderlichkeit "
    "begegnen. Das heißt: für alle, überall.",
    "Spanish": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, "
    "dotados como están de razón y conciencia, deben comportarse fraternalmente los unos "
    "con los otros. ¿Mañana? ¡Sí!",
    "Polish": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych "
    "praw. Są oni obdarzeni rozumem i sumieniem i powinni postępować wobec innych w duchu "
    "braterstwa.",
    "Czech": "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Jsou "
    "nadáni rozumem a svědomím a mají spolu jednat v duchu bratrství.",
    "Hungarian": "Minden emberi lény szabadon születik és egyenlő méltósága és joga van. "
    "Az emberek, ésszel és lelkiismerettel bírván, egymással szemben testvéri szellemben "
    "kell hogy viseltessenek. Erről később, gyűlésen szólunk.",
    "Turkish": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve "
    "vicdana sahiptirler ve birbirlerine karşı kardeşlik zihniyeti ile hareket "
    "etmelidirler.",
    "Lithuanian": "Visi žmonės gimsta laisvi ir lygūs savo orumu ir teisėmis. Jiems "
    "suteiktas protas ir sąžinė ir jie turi elgtis vienas kito atžvilgiu kaip broliai.",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они "
    "наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.",
    "Ukrainian": "Всі люди народжуються вільними і рівними у своїй гідності та правах. "
    "Вони наділені розумом і совістю і повинні діяти у відношенні один до одного в дусі "
    "братерства.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα "
    "δικαιώματα. Είναι προικισμένοι με λογική και συνείδηση, και οφείλουν να "
    "συμπεριφέρονται μεταξύ τους με πνεύμα αδελφοσύνης.",
    "Hebrew": "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה "
    "ובמצפון, לפיכך חובה עליהם לנהוג איש ברעהו ברוח של אחווה.",
    "Arabic": "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا "
    "وعليهم أن يعامل بعضهم بعضا بروح الإخاء.",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ "
    "ต่างมีเหตุผลและมโนธรรม และควรปฏิบัติต่อกันด้วยเจตนารมณ์แห่งภราดรภาพ",
    "Japanese": "すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等である。"
    "人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 "
    "이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
    "Chinese": "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。",
    "Taiwanese": "人人生而自由,在尊嚴和權利上一律平等。他們賦有理性和良心,並應以兄弟關係的精神"
    "相對待。",
}
# encoding, language; and encodings in which the same bytes spell the same
LEGACY = [
    ("cp1252", "French"),
    ("cp1252", "German"),
    ("cp1252", "Spanish"),
    ("cp1250", "Polish"),
    ("cp1250", "Czech"),
    ("cp1250", "Hungarian"),
    ("cp1251", "Russian"),
    ("cp1251", "Ukrainian"),
    ("cp1253", "Greek"),
    ("cp1254", "Turkish"),
    ("cp1255", "Hebrew"),
    ("cp1256", "Arabic"),
    ("cp1257", "Lithuanian"),
    ("cp874", "Thai"),
    ("iso-8859-1", "French"),
    ("iso-8859-2", "Polish"),
    ("iso-8859-2", "Czech"),
    ("iso-8859-5", "Russian"),
    ("iso-8859-6", "Arabic"),
    ("iso-8859-7", "Greek"),
    ("iso-8859-8", "Hebrew"),
    ("iso-8859-9", "Turkish"),
    ("iso-8859-13", "Lithuanian"),
    ("iso-8859-15", "French"),
    ("koi8-r", "Russian"),
    ("koi8-u", "Ukrainian"),
    ("mac-roman", "French"),
    ("mac-roman", "German"),
    ("mac-cyrillic", "Russian"),
    ("mac-latin2", "Polish"),
    ("cp437", "German"),
    ("cp850", "French"),
    ("cp852", "Polish"),
    ("cp866", "Russian"),
    ("shift_jis", "Japanese"),
    ("euc-jp", "Japanese"),
    ("iso-2022-jp", "Japanese"),
    ("euc-kr", "Korean"),
    ("gb18030", "Chinese"),
    ("big5", "Taiwanese"),
]


@pytest.mark.parametrize(("encoding", "language"), LEGACY)
def test_the_first_guess_spells_the_text(encoding: str, language: str) -> None:
    text = ARTICLE[language]
    data = text.encode(encoding)
    first = guesses(data)[0]
    assert data.decode(first.encoding) == text, first
    d = detect(data)
    assert (d.modality, d.format) == ("text", "text")
    assert data.decode(d.encoding) == text
    assert d.confidence < 1


def test_at_least_twenty_encodings_are_named() -> None:
    assert len({codecs.lookup(e).name for e, _ in LEGACY}) >= 20


@pytest.mark.parametrize("language", ARTICLE)
@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32-le", "utf-32-le"),
        ("utf-32-be", "utf-32-be"),
    ],
)
def test_unicode(language: str, written: str, read: str) -> None:
    text = (ARTICLE[language] + "\n") * 20  # longer than the window
    data = text.encode(written)
    d = detect(data)
    assert (d.format, d.encoding) == ("text", read)
    assert data.decode(d.encoding) == text


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16", "utf-32"])
def test_a_grammar_in_another_encoding(encoding: str) -> None:
    data = '<?xml version="1.0"?><note>ü</note>\n'.encode(encoding)
    assert detect(data).format == "xml"
    assert detect(data).encoding == encoding


def test_candidates_rank_the_encodings() -> None:
    data = ARTICLE["Russian"].encode("koi8-r")
    names = [d.encoding for d in candidates(data) if d.format == "text"]
    assert names[0] == "koi8-r"
    assert len(names) > 3 and "cp1251" in names
    assert candidates(data)[-1].format == "bytes"


def test_candidates_of_a_table_name_text() -> None:
    formats = [d.format for d in candidates(b"a,b\n1,2\n3,4\n")]
    assert formats[0] == "csv"
    assert "text" in formats and formats[-1] == "bytes"


@pytest.mark.parametrize("n", range(1, 40))
def test_a_cut_character_at_the_windows_end(n: int) -> None:
    text = "x" * (4096 - n) + "€" * 40
    assert detect(text.encode()).encoding == "utf-8"


def test_a_late_byte_that_is_no_utf8() -> None:
    data = b"plain\n" * 2000 + "Größe".encode("cp1252")
    assert detect(data).encoding != "utf-8"
