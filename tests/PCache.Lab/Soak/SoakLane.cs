using PCache.Core;

namespace PCache.Lab.Soak;

/// <summary>
/// A range that one thread alone uses, byte by byte. Keeps true: its content is known exactly, whatever the other
/// threads do: a write that failed or was cancelled is made again at once, and a read returns what was written last.
/// </summary>
internal sealed class SoakLane(PCacheDevice device, long start, SoakOptions options, int seed)
{
    public const int LengthBytes = 48 << 10;
    private const int MostBytes = 16 << 10;
    private readonly byte[] _content = new byte[LengthBytes];
    private readonly Random _random = new(seed);

    public long Start => start;

    public ReadOnlySpan<byte> Content => _content;

    /// <summary>Calls cancelled so far.</summary>
    public long Cancelled { get; private set; }

    /// <summary>One operation.</summary>
    public void Step()
    {
        int length = 1 + _random.Next(_random.Next(6) == 0 ? MostBytes : 3000);
        int at = _random.Next(LengthBytes - length);
        switch (_random.Next(12))
        {
            case 0 or 1 or 2 or 3:
                Read(at, length);
                break;
            case 4:
                Array.Clear(_content, at, length);
                WriteZeroes(at, length);
                break;
            case 5 when options.Discard:
                device.Discard(start + at, length);
                Write(at, length);
                break;
            case 6:
                Try(token => device.FlushAsync(token).AsTask());
                break;
            default:
                Write(at, length);
                break;
        }
    }

    /// <summary>Compares what a reader got with what must be there.</summary>
    /// <exception cref="SoakException">It differs.</exception>
    public void Check(ReadOnlySpan<byte> found, string what) => Compare(found, _content, 0, what);

    private void Read(int at, int length)
    {
        byte[] found = new byte[length];
        int count = 0;
        if (IsAsync)
        {
            if (!Try(async token => count = await device.ReadAsync(start + at, found, token).ConfigureAwait(false)))
            {
                return;
            }
        }
        else
        {
            try
            {
                count = device.Read(start + at, found);
            }
            catch (IOException e) when (SoakRetry.IsPlanned(e, options.FailEvery > 0))
            {
                return;
            }
        }

        if (count != length)
        {
            throw new SoakException($"A read of {length} bytes at {start + at} returned {count}.");
        }

        Compare(found, _content.AsSpan(at, length), at, "a lane");
    }

    private void Write(int at, int length)
    {
        byte[] bytes = new byte[length];
        _random.NextBytes(bytes);
        bytes.CopyTo(_content, at);
        WriteDurability durability = _random.Next(10) == 0 ? WriteDurability.ForceUnitAccess : WriteDurability.Normal;
        if (!IsAsync || !Try(token => device.WriteAsync(start + at, bytes, durability, token).AsTask()))
        {
            SoakRetry.UntilDone(() => device.Write(start + at, bytes, durability), tolerant: options.FailEvery > 0);
        }
    }

    private void WriteZeroes(int at, int length)
    {
        if (!IsAsync || !Try(token =>
            device.WriteZeroesAsync(start + at, length, WriteDurability.Normal, token).AsTask()))
        {
            SoakRetry.UntilDone(() => device.WriteZeroes(start + at, length), tolerant: options.FailEvery > 0);
        }
    }

    private bool IsAsync => _random.Next(100) < options.AsyncPercent;

    private bool Try(Func<CancellationToken, Task> call)
    {
        using var cancel = new CancellationTokenSource();
        if (_random.Next(4) == 0)
        {
            cancel.CancelAfter(_random.Next(3));
        }

        try
        {
            call(cancel.Token).GetAwaiter().GetResult();
            return true;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            Cancelled++;
            return false;
        }
        catch (IOException e) when (SoakRetry.IsPlanned(e, options.FailEvery > 0))
        {
            return false;
        }
    }

    private void Compare(ReadOnlySpan<byte> found, ReadOnlySpan<byte> expected, int at, string what)
    {
        int same = expected.CommonPrefixLength(found);
        if (same < expected.Length)
        {
            throw new SoakException(
                $"{what}: byte {start + at + same} of the device is 0x{found[same]:x2}, and 0x{expected[same]:x2} "
                + "was written there last.");
        }
    }
}

/// <summary>What fails because the backing does is tried again.</summary>
internal static class SoakRetry
{
    private const int Tries = 10_000;

    /// <summary>Runs an action until it succeeds.</summary>
    /// <param name="action">What to do.</param>
    /// <param name="tolerant">Whether the backing may fail; else the first error is the last.</param>
    public static void UntilDone(Action action, bool tolerant)
    {
        for (int i = 0; ; i++)
        {
            try
            {
                action();
                return;
            }
            catch (IOException e) when (i < Tries && IsPlanned(e, tolerant))
            {
                Thread.Sleep(i < 10 ? 0 : 1);
            }
        }
    }

    /// <summary>Whether an error is what a failing backing explains: damage never is.</summary>
    public static bool IsPlanned(Exception error, bool tolerant)
    {
        for (Exception? at = error; at is not null; at = at.InnerException)
        {
            if (at is PCacheCorruptionException)
            {
                return false;
            }
        }

        return tolerant && error is IOException;
    }
}
