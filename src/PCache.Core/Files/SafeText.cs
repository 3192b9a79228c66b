// Text that comes from media, file names or users, made fit for lines of output. Keeps true: the result is one line,
// and shows on a terminal as what it is: nothing in it moves the cursor, changes colours, begins a line or turns the
// reading direction.

using System.Globalization;
using System.Text;

namespace PCache.Core.Files;

internal static class SafeText
{
    /// <summary>
    /// The text with what doesn't print as itself escaped: \n, \r, \t, \0, else \u and four hexadecimal digits for
    /// each UTF-16 unit. For people: it can't be turned back with certainty.
    /// </summary>
    public static string Of(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return "";
        }

        for (int i = 0; i < text.Length; i++)
        {
            if (!Prints(text, i))
            {
                return Escaped(text, i);
            }
        }

        return text;
    }

    private static string Escaped(string text, int from)
    {
        var result = new StringBuilder(text, 0, from, text.Length + 16);
        for (int i = from; i < text.Length; i++)
        {
            if (Prints(text, i))
            {
                result.Append(text[i]);
                continue;
            }

            _ = text[i] switch
            {
                '\n' => result.Append("\\n"),
                '\r' => result.Append("\\r"),
                '\t' => result.Append("\\t"),
                '\0' => result.Append("\\0"),
                _ => result.Append(CultureInfo.InvariantCulture, $"\\u{(int)text[i]:x4}"),
            };
        }

        return result.ToString();
    }

    // Both halves of a pair have the category of the pair's character; a lone half is a surrogate.
    private static bool Prints(string text, int i)
    {
        int start = i > 0 && char.IsLowSurrogate(text[i]) && char.IsHighSurrogate(text[i - 1]) ? i - 1 : i;
        return CharUnicodeInfo.GetUnicodeCategory(text, start) is not (
            UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate);
    }
}
