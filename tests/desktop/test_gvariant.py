"""GVariant's text form, read."""

import unittest

import gvariant


class GVariant(unittest.TestCase):
    def test_values_as_gdbus_prints_them(self):
        for text, value in [
            ("(true,)", (True,)),
            ("(<<uint32 0>>,)", (0,)),
            ("(@as [],)", ([],)),
            ("(['a', \"it's\"], -1, 2.5)", (["a", "it's"], -1, 2.5)),
            ("({'label': <'_Quit'>, 'enabled': <false>},)", ({"label": "_Quit", "enabled": False},)),
            (r"('MiniMax · warm \"\\ \u00b7',)", ('MiniMax · warm "\\ ·',)),
            ("(uint32 2, (0, {'children-display': <'submenu'>}, [<(1, @a{sv} {}, @av [])>]))",
             (2, (0, {"children-display": "submenu"}, [(1, {}, [])]))),
            ("(objectpath '/a', <@mi nothing>)", ("/a", None)),
        ]:
            self.assertEqual(gvariant.parse(text), value, text)

    def test_what_is_none_is_refused(self):
        for text in ["(", "what", "(1) 2", "{1}"]:
            with self.assertRaises((ValueError, IndexError), msg=text):
                gvariant.parse(text)


if __name__ == "__main__":
    unittest.main()
