"""Letters of languages: what an encoding's bytes should spell.

Of each language the letters outside ASCII, in lower case; of a language in another
script its most frequent ones first, before a bar.
"""

from __future__ import annotations

_RUSSIAN = "оеаинтсрвлкм|абвгдежзийклмнопрстуфхцчшщъыьэюяё"

ALPHABETS: dict[str, str] = {
    "French": "àâæçéèêëîïôœùûüÿ",
    "German": "äöüß",
    "Spanish": "áéíóúüñ",
    "Portuguese": "ãõáéíóúâêôàçü",
    "Italian": "àèéìíòóùú",
    "Dutch": "ëïéèöü",
    "Swedish, Finnish": "åäö",
    "Danish, Norwegian": "æøåé",
    "Icelandic": "áéíóúýþæöð",
    "Polish": "ąćęłńóśźż",
    "Czech, Slovak": "áčďéěíňóřšťúůýžľĺôäŕ",
    "Hungarian": "áéíóöőúüű",
    "Romanian": "ăâîșşțţ",
    "Croatian, Slovene": "čćđšž",
    "Turkish": "çğıöşüâî",
    "Estonian": "äöõüšž",
    "Latvian": "āčēģīķļņšūž",
    "Lithuanian": "ąčęėįšųūž",
    "Maltese": "ċġħżàèìòù",
    "Esperanto": "ĉĝĥĵŝŭ",
    "Welsh": "ŵŷâêîôûäëïöü",
    "Vietnamese": "ăâđêôơưàáèéíùúóãõ\u0300\u0301\u0303\u0309\u0323",
    "Russian": _RUSSIAN,
    "Ukrainian": "оаинітверслк|абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "Serbian": "аоиенртсјкув|абвгдђежзијклљмнњопрстћуфхцчџш",
    "Greek": "αοιετσνηυρπκ|βγδζθλμξφχψωςάέήίόύώϊϋΐΰ",
    "Hebrew": "יוהלאתרמבש|גדזחטכנסעפצקךםןףץ",
    "Arabic": "اليمنوتربعسد|ءآأؤإئةثجحخذزشصضطظغفقكهىپچژگ،؟",
    "Thai": "านรอกเงมยลวด|"
    + "".join(chr(c) for c in (*range(0xE01, 0xE3B), *range(0xE40, 0xE4F))),
}
# signs of any language
SIGNS = "«»“”‘’„‚–—…•·°§©®™€£№¿¡ªº½¼²³´×\xa0"  # noqa: RUF001
