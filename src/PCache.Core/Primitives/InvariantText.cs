// Keeps true: numbers and dates look the same in every culture; nothing is formatted twice.
using System.Globalization;
using System.Runtime.CompilerServices;

namespace PCache.Core.Primitives;

/// <summary>
/// Text from an interpolated string, culture-invariant: what a method takes whose callers write <c>$"..."</c>, also in
/// several parts joined by +.
/// </summary>
[InterpolatedStringHandler]
internal ref struct InvariantText(int literalLength, int formattedCount)
{
    private DefaultInterpolatedStringHandler _text = new(literalLength, formattedCount, CultureInfo.InvariantCulture);

    public void AppendLiteral(string text) => _text.AppendLiteral(text);

    public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

    public void AppendFormatted<T>(T value, string? format) => _text.AppendFormatted(value, format);

    public void AppendFormatted<T>(T value, int alignment, string? format = null) =>
        _text.AppendFormatted(value, alignment, format);

    /// <summary>The text, once.</summary>
    public string Take() => _text.ToStringAndClear();
}
