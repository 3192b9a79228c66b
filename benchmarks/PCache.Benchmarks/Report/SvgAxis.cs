// Keeps true: every value lies between the axis's ends, whatever the values are (none, one, all equal, zero or less on
// a logarithmic axis).
using System.Globalization;

namespace PCache.Benchmarks.Report;

/// <summary>An axis with round ticks.</summary>
internal sealed class SvgAxis
{
    private const int WantedTicks = 6;
    private const double DecadesForFineTicks = 2.5;
    private readonly bool _log;
    private readonly bool _sizes;
    private readonly double _low;
    private readonly double _high;

    /// <param name="values">What has to be on it.</param>
    /// <param name="log">Logarithmic.</param>
    /// <param name="fromZero">Begins at zero.</param>
    /// <param name="sizes">Bytes, in powers of two.</param>
    public SvgAxis(IEnumerable<double> values, bool log, bool fromZero, bool sizes)
    {
        double[] all = [.. values.Where(value => double.IsFinite(value) && (!log || value > 0))];
        double low = all.Length == 0 ? (log ? 1 : 0) : all.Min();
        double high = all.Length == 0 ? 1 : all.Max();
        _log = log;
        _sizes = sizes;
        if (!log)
        {
            low = fromZero ? Math.Min(0, low) : low;
            double step = RoundStep((high - low) / WantedTicks);
            _low = Math.Floor(low / step) * step;
            _high = Math.Max(_low + step, Math.Ceiling(high / step) * step);
            int count = (int)Math.Round((_high - _low) / step);
            Ticks = [.. Enumerable.Range(0, count + 1).Select(i => _low + (i * step))];
            return;
        }

        if (sizes)
        {
            _low = low;
            _high = Math.Max(high, low * 2);
            int powers = (int)Math.Log2(_high / _low);
            Ticks = [.. Enumerable.Range(0, powers + 1).Select(i => _low * Math.Pow(2, i))];
            return;
        }

        // Decades, with 2 and 5 between them where there are few.
        double[] steps = Math.Log10(high / low) < DecadesForFineTicks ? [1, 2, 5] : [1];
        int first = (int)Math.Floor(Math.Log10(low));
        int last = (int)Math.Ceiling(Math.Log10(high)) + 1;
        double[] marks = [.. Enumerable.Range(first, last - first + 1)
            .SelectMany(decade => steps.Select(step => step * Math.Pow(10, decade)))];
        _low = marks.Last(mark => mark <= low * (1 + 1e-9));
        _high = marks.First(mark => mark >= high * (1 - 1e-9) && mark > _low);
        Ticks = [.. marks.Where(mark => mark >= _low && mark <= _high)];
    }

    public IReadOnlyList<double> Ticks { get; }

    /// <summary>Where a value lies: 0 at the low end, 1 at the high end.</summary>
    public double Place(double value)
    {
        double place = _log
            ? Math.Log(Math.Max(value, _low) / _low) / Math.Log(_high / _low)
            : (value - _low) / (_high - _low);
        return Math.Clamp(double.IsFinite(place) ? place : 0, 0, 1);
    }

    public string Label(double tick)
    {
        if (_sizes)
        {
            return SizeText.Exact((long)tick);
        }

        (double divisor, string unit) = Math.Abs(tick) switch
        {
            >= 1e9 => (1e9, "G"),
            >= 1e6 => (1e6, "M"),
            >= 1e4 => (1e3, "k"),
            _ => (1.0, string.Empty),
        };
        return (tick / divisor).ToString("0.###", CultureInfo.InvariantCulture) + unit;
    }

    private static double RoundStep(double step)
    {
        if (!(step > 0))
        {
            return 1;
        }

        double decade = Math.Pow(10, Math.Floor(Math.Log10(step)));
        double digit = step / decade;
        return decade * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 2.5 ? 2.5 : digit <= 5 ? 5 : 10);
    }
}
