return await Observability.Sample.RunAsync(Console.Out);
