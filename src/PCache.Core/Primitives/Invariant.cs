using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace PCache.Core.Primitives;

/// <summary>
/// What the heads of files say they keep true, said in code. Keeps true: it costs nothing where <c>CHECKED</c> isn't
/// defined (not even the arguments are evaluated), so what is asked changes nothing; it is for defects of this
/// library, never for what a medium, a backing or a caller may do.
/// </summary>
internal static class Invariant
{
    /// <summary>Throws unless something holds.</summary>
    /// <exception cref="InvalidOperationException">It doesn't.</exception>
    [Conditional("CHECKED")]
    public static void Holds(bool condition, string what)
    {
        if (!condition)
        {
            var broken = new InvalidOperationException($"Broken invariant: {what}.");
#if CHECKED
            _broken ??= broken;
#endif
            throw broken;
        }
    }

#if CHECKED
    [ThreadStatic]
    private static InvalidOperationException? _broken;

    /// <summary>
    /// The first that didn't hold on this thread since the last call: maintenance takes what is thrown for a failure
    /// of the medium, and tries again.
    /// </summary>
    public static InvalidOperationException? TakeBroken()
    {
        InvalidOperationException? broken = _broken;
        _broken = null;
        return broken;
    }
#endif

    /// <inheritdoc cref="Holds(bool, string)"/>
    [Conditional("CHECKED")]
    public static void Holds(bool condition, [InterpolatedStringHandlerArgument(nameof(condition))] ref Text what)
    {
        if (!condition)
        {
            Holds(false, what.ToStringAndClear());
        }
    }

    /// <summary>A text that is put together only if the condition doesn't hold.</summary>
    [InterpolatedStringHandler]
    public ref struct Text
    {
        private DefaultInterpolatedStringHandler _text;

        public Text(int literalLength, int formattedCount, bool condition, out bool wanted)
        {
            wanted = !condition;
            _text = wanted ? new DefaultInterpolatedStringHandler(literalLength, formattedCount) : default;
        }

        public void AppendLiteral(string value) => _text.AppendLiteral(value);

        public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

        public string ToStringAndClear() => _text.ToStringAndClear();
    }
}
