// Keeps true: an acknowledgement is in its image's file, by one write call, after the device acknowledged and never
// before; the file outlives the process. The images know nothing of each other: one kill of the process hits each of
// them at a moment of its own.
using System.Globalization;
using PCache.Core;
using PCache.Core.Pmem;
using PCache.Lab.Commands;
using PCache.Tool.Kills;

namespace PCache.Lab.Kills;

/// <summary>What the writer of an image does besides writing; a kill then comes in the middle of that.</summary>
internal enum KillWriterKind
{
    /// <summary>
    /// Writes only: the cache is full nearly always, so that write-back and garbage collection never rest.
    /// </summary>
    Writes,

    /// <summary>Drains all the time.</summary>
    Drains,

    /// <summary>Lets the device grow all the time.</summary>
    Grows,

    /// <summary>Closes and opens again all the time.</summary>
    Reopens,
}

/// <summary>Many small images, written at once by one process until it is killed.</summary>
internal static class KillWriters
{
    private const int MaxGrowth = 1 << 20;
    private static readonly TimeSpan ShortestOpen = TimeSpan.FromMilliseconds(3);

    /// <summary>What the writer of an image does.</summary>
    public static KillWriterKind KindOf(int image) => (KillWriterKind)(image % 4);

    /// <summary>The settings of one of the images.</summary>
    public static WriterSettings SettingsOf(WriterSettings all, int image) => all with
    {
        CachePath = all.CachePath + image,
        BackingPath = all.BackingPath + image,
        Seed = all.Seed + image,
    };

    /// <summary>Where an image's acknowledgements are.</summary>
    public static string AckPath(WriterSettings image) => image.CachePath + ".acks";

    /// <summary>The hidden command's arguments for writers that begin with these ids.</summary>
    public static IReadOnlyList<string> ToArguments(WriterSettings all, IEnumerable<uint> firstIds) =>
        [.. all.ToArguments(KillWriterCommand.Name, 1), "--first-ids",
            string.Join(',', firstIds.Select(id => id.ToString(CultureInfo.InvariantCulture)))];

    /// <summary>Takes the acknowledgements of a killed writer.</summary>
    public static void TakeAcknowledgements(WriterSettings image, KillVerifier verifier)
    {
        if (!File.Exists(AckPath(image)))
        {
            return; // killed before it had opened anything
        }

        using (FileStream file = File.OpenRead(AckPath(image)))
        {
            foreach (Ack ack in AckLog.Read(file))
            {
                verifier.Acknowledge(ack);
            }
        }

        File.Delete(AckPath(image));
    }

    /// <summary>Opens an image as its writer does; the device owns everything.</summary>
    public static PCacheDevice Open(WriterSettings image, bool readOnly = false)
    {
        PmemRegion region = PmemFile.Open(image.CachePath,
            new PmemFileOptions { ReadOnly = readOnly, PowerSafe = image.PowerSafe && !readOnly });
        IBlockDevice backing = BlockDevice.OpenFile(image.BackingPath, readOnly ? FileAccess.Read
            : FileAccess.ReadWrite);
        return PCacheDevice.Open(region, backing, new PCacheOptions
        {
            ReadOnly = readOnly,
            WritebackDelay = TimeSpan.FromMilliseconds(image.Seed % 5),
            // no timer shall help
            KsetTimeout = image.PersistWrites ? TimeSpan.FromHours(1) : TimeSpan.FromMilliseconds(5),
            PersistOn = image.PersistWrites ? PersistOn.Write : PersistOn.Flush,
            WritebackGroupBytes = 64 << 10,
            BackingConsistency = (BackingConsistency)(image.Seed % 3),
            CheckpointBytes = 64 << 10,
            CheckpointInterval = TimeSpan.FromMilliseconds(image.Seed % 5),
        });
    }

    /// <summary>Writes all images until killed.</summary>
    public static int Run(WriterSettings all, string firstIds, Action ready)
    {
        uint[] ids = Array.ConvertAll(firstIds.Split(','), id => uint.Parse(id, CultureInfo.InvariantCulture));
        Exception? failure = null;
        using var opened = new CountdownEvent(ids.Length);
        var threads = new Thread[ids.Length];
        for (int i = 0; i < ids.Length; i++)
        {
            int image = i;
            threads[i] = new Thread(() =>
            {
                try
                {
                    RunImage(SettingsOf(all, image), KindOf(image), ids[image], opened);
                }
                catch (Exception exception)
                {
                    Interlocked.CompareExchange(ref failure, exception, null);
                    // the others go on until they are killed: that must not hide it
                    Environment.FailFast(exception.ToString());
                }
            });
            threads[i].Start();
        }

        opened.Wait();
        ready();
        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        throw ToolException.Refused("The writers have used up all write ids. Kill them earlier.", failure);
    }

    private static void RunImage(WriterSettings settings, KillWriterKind kind, uint firstId, CountdownEvent opened)
    {
        WritePlan plan = settings.CreatePlan();
        using var acks = new FileStream(AckPath(settings), FileMode.Append, FileAccess.Write, FileShare.Read, 0);
        var log = new AckWriter(acks);
        var random = new Random(settings.Seed ^ (int)firstId);
        uint next = firstId;
        for (bool first = true; next <= MarkedSector.MaxWriteId; first = false)
        {
            using PCacheDevice device = Open(settings);
            if (first)
            {
                opened.Signal();
            }

            if (kind == KillWriterKind.Drains)
            {
                Forever(() => device.Drain());
            }
            else if (kind == KillWriterKind.Grows)
            {
                Forever(() => device.SetLength(device.Length + 512 < ((long)settings.Sectors * 512) + MaxGrowth
                    ? device.Length + 512 : device.Length));
            }

            int atLeast = 20;
            long end = Environment.TickCount64 + (long)ShortestOpen.TotalMilliseconds + random.Next(30);
            next = PlannedWriter.Run(device, plan, log, next, kind == KillWriterKind.Reopens ? () => --atLeast < 0
                && Environment.TickCount64 >= end : null, settings.PersistWrites);
        }
    }

    private static void Forever(Action action) => new Thread(() =>
    {
        while (true)
        {
            action();
            Thread.Sleep(1);
        }
    })
    {
        IsBackground = true,
    }.Start();
}
